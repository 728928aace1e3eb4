"""The three divergences and their gradients."""

import pytest
import torch
from torch import Generator, Tensor

from ramify.train.divergence import DIVERGENCES, DRAWS, kl, tvd, tvd_plus_plus

ROWS, VOCABULARY = 4, 5


def laws(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A draft's logits, to be trained, and the target's log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits, target = (torch.randn(ROWS, VOCABULARY, generator=generator, dtype=torch.float64) for _ in range(2))
    return logits.requires_grad_(True), (2 * target).log_softmax(-1)


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, of)
    return found


def test_values() -> None:
    logits, logp = laws()
    q, p = logits.softmax(-1), logp.exp()
    assert kl(logits.log_softmax(-1), logp, Generator()).item() == pytest.approx(
        (p * (p.log() - q.log())).sum(-1).mean().item()
    )
    acceptance = torch.minimum(p, q).sum(-1).mean().item()
    for name in ("tvd", "tvd++"):
        value = DIVERGENCES[name](logits.log_softmax(-1), logp, Generator().manual_seed(0)).item()
        assert value == pytest.approx(1.0 - acceptance), name


@pytest.mark.parametrize("divergence", DIVERGENCES.values(), ids=list(DIVERGENCES))
def test_equal_laws_teach_nothing(divergence: object) -> None:
    logits, _ = laws()
    logp = logits.detach().log_softmax(-1)
    loss = divergence(logits.log_softmax(-1), logp, Generator().manual_seed(0))  # type: ignore[operator]
    assert abs(loss.item()) < 1e-12
    assert float(gradient(loss, logits).abs().max()) < 1e-12


def test_gradient_of_tvd_is_that_of_half_the_absolute_difference() -> None:
    logits, logp = laws()
    half = 0.5 * (logits.softmax(-1) - logp.exp()).abs().sum(-1).mean()
    torch.testing.assert_close(gradient(tvd(logits.log_softmax(-1), logp, Generator()), logits), gradient(half, logits))


def test_gradient_of_tvd_is_a_policy_gradient() -> None:
    """E_{x ~ q}[1{q > p} grad log q(x)], the expectation taken by enumeration."""
    logits, logp = laws()
    logq = logits.log_softmax(-1)
    reward = (logq > logp).double()
    surrogate = (logq.detach().exp() * reward * logq).sum(-1).mean()
    exact = tvd(logits.log_softmax(-1), logp, Generator())
    torch.testing.assert_close(gradient(exact, logits), gradient(surrogate, logits))


def estimates(logits: Tensor, logp: Tensor, copies: int, seed: int) -> Tensor:
    """TVD++'s gradient [copies, ROWS, VOCABULARY] from as many copies of every row in one batch."""
    many = logits.detach().repeat(copies, 1).requires_grad_(True)
    loss = tvd_plus_plus(many.log_softmax(-1), logp.repeat(copies, 1), Generator().manual_seed(seed))
    return gradient(loss * copies, many).view(copies, ROWS, VOCABULARY)


def test_tvd_plus_plus_expects_the_gradient_of_tvd_over_sigma() -> None:
    """Over 20000 copies no coordinate is off by more than 5 standard errors (a false alarm once in 10^5 seeds)."""
    logits, logp = laws()
    found = estimates(logits, logp, 20_000, seed=1)
    q = logits.softmax(-1).detach()
    chance = (q * (q > logp.exp())).sum(-1).mean()  # that a drawn token has the reward
    sigma = (chance * (1 - chance)).sqrt()
    wanted = gradient(tvd(logits.log_softmax(-1), logp, Generator()), logits) / sigma
    error = found.std(0) / len(found) ** 0.5
    assert bool(((found.mean(0) - wanted).abs() < 5 * error + 1e-4).all())


def test_the_mean_takes_variance_away() -> None:
    """The same draws with the raw reward: an estimate of the same thing, further from it."""
    logits, logp = laws()
    copies, draws = 4_000, Generator().manual_seed(2)
    many = logits.detach().repeat(copies, 1).requires_grad_(True)
    logq = many.log_softmax(-1)
    drawn = torch.multinomial(logq.detach().exp(), DRAWS, replacement=True, generator=draws)
    logq_drawn = logq.gather(-1, drawn)
    reward = (logq_drawn.detach() > logp.repeat(copies, 1).gather(-1, drawn)).double()
    raw = gradient((reward / reward.std(correction=0) * logq_drawn).mean() * copies, many)
    reduced = estimates(logits, logp, copies, seed=2)
    assert float(reduced.var(0).sum()) < 0.8 * float(raw.view_as(reduced).var(0).sum())
