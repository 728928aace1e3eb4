"""Addressed randomness: a draw is a function of where it is made, never of what was drawn before.

A branch carries a 64-bit address, derived from (seed, request) and then from (parent, which child). A uniform depends
on (address, position, purpose) and on nothing else, so that batching, dropping a neighbour or resuming cannot change
it.
"""

import struct
from hashlib import blake2b
from typing import Literal

Purpose = Literal["token", "accept", "residual", "draft", "toss"]


def root_address(seed: int, request: int = 0) -> int:
    """The address of a request's first branch; distinct (seed, request) give distinct addresses."""
    return _mix(b"root", seed & _MASK, request & _MASK)


def child_address(parent: int, index: int) -> int:
    """The address of the `index`-th branch that was ever forked from `parent`."""
    return _mix(b"fork", parent, index)


def address_at(address: int, position: int) -> int:
    """An address of its own for what is drawn behind a branch's first `position` tokens."""
    return _mix(b"at", address, position)


def uniform(address: int, position: int, purpose: Purpose = "token") -> float:
    """A number in [0, 1), uniform over addresses, with 53 random bits."""
    return (_mix(purpose.encode(), address, position) >> 11) * 2.0**-53


_MASK = (1 << 64) - 1


def _mix(tag: bytes, a: int, b: int) -> int:
    digest = blake2b(struct.pack("<QQ", a, b), digest_size=8, person=tag).digest()
    return int.from_bytes(digest, "little")
