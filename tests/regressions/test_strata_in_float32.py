"""Stratified resampling drew from the wrong stratum.

Its uniforms became a float32 tensor, where 0.99999999 is 1: the point of one stratum fell into the next, and the
scheme was biased by what it had been chosen to avoid.
"""

import torch

from ramify.maths.resampling import stratified


def test_a_uniform_close_to_one_stays_in_its_stratum() -> None:
    assert stratified(torch.zeros(4), [0.99999999] * 4) == [0, 1, 2, 3]
