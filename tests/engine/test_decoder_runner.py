"""A decoder behind the engine: what the runner itself promises."""

import torch

from ramify.engine.decoder_runner import DecoderRunner
from ramify.model.checkpoint import Checkpoint, ValueHead
from tests.toys import tiny_checkpoint


def test_an_exact_value_is_its_rows_own() -> None:
    """A choice between two candidates must not fall the other way because of who is scored beside them."""
    torch.manual_seed(0)
    tiny = tiny_checkpoint()
    head = ValueHead(torch.randn(1, 96), torch.randn(1))
    runner = DecoderRunner(Checkpoint(tiny.decoder, head, {}), num_pages=8, page_size=4, mode="exact")
    hidden_RD = torch.randn(200, 96)
    together = runner.values(hidden_RD)
    for count in (1, 2, 3, 7, 64):
        assert torch.equal(runner.values(hidden_RD[:count]), together[:count])
    assert torch.allclose(together, (hidden_RD @ head.weight[0]) + head.bias, atol=1e-4)
