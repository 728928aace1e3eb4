"""The target drafts for itself, with some of its layers skipped; which ones is learnt while it decodes.

Xia et al., "SWIFT: On-the-Fly Self-Speculative Decoding for LLM Inference Acceleration", ICLR 2025, arXiv:2410.06916.

    z    the halves of layers that are skipped (attention and feed-forward parts apart)
    m(z) share of recent tokens that the target with z skipped would have said, too (its likeliest token)

A pass without z looks at the keys and values that the target has stored, and writes its own behind the branch's end,
where verification writes the target's over them. So nothing is read twice and no page is kept.

Every `pause` drafts one candidate is tried on the last `window` tokens of a branch, which are verified already, on
pages of its own: a neighbour of the best z so far, or a random one. It becomes the best if it promises more tokens for
its cost. Departure: the paper searches with Gaussian processes between random steps; neighbours are drawn here.

    D hidden width, W window
"""

from collections.abc import Mapping, Sequence
from random import Random

import torch
from torch import Tensor

from ramify.core.errors import OutOfPages
from ramify.core.types import Branch, Skip
from ramify.engine.drafts import is_chain
from ramify.engine.model import Model
from ramify.engine.runner import Chunk
from ramify.speculate.drafter import Order, grow_together
from ramify.speculate.reading import Nodes, TreeReader, laws_of
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses, TokenTree

SCRATCH = -1  # the name of the table that candidates are tried on
RANDOM_SHARE = 0.3
LENGTH = 4  # of the chains whose gain candidates are compared by


class SkippingDrafter:
    """Drafts with the target itself.

    Args:
        target: whose layers are skipped.
        share: of the halves of layers that are skipped; the first and the last layer stay.
        window, pause, most_trials: of the search for better ones; it ends after `most_trials`.
    """

    has_laws = True

    def __init__(
        self,
        target: Model,
        *,
        share: float = 0.45,
        window: int = 32,
        pause: int = 8,
        most_trials: int = 200,
        seed: int = 0,
    ) -> None:
        self.name, self.target = "skip-layers", target
        self.window, self.pause, self.trials_left = window, pause, most_trials
        layers = target.runner.num_layers
        inner = [half for half in range(2 * layers) if 0 < half // 2 < layers - 1] or [2 * layers - 1]
        self.halves, self.count = inner, max(1, min(round(share * 2 * layers), len(inner)))
        self.random = Random(seed)
        self.skip: Skip = frozenset(inner[i * len(inner) // self.count] for i in range(self.count))
        self.score = -1.0
        self._reader = TreeReader(self._read, lambda branch: None)
        self._drafts = 0

    @property
    def models(self) -> Sequence[Model]:
        """None beside the target."""
        return ()

    def prepare(self, orders: Sequence[Order]) -> None:
        """Now and then, a trial of other layers to skip."""
        self._drafts += 1
        if self.trials_left and self._drafts % self.pause == 0:
            long = [o.branch for o in orders if self.target.held(o.branch) > self.window]
            if long:
                self.trials_left -= 1
                self._try_out(long[self._drafts // self.pause % len(long)])

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """A pass a level."""
        try:
            return grow_together(orders, self._laws)
        finally:
            for order in orders:
                self._reader.take(order.branch, ())
                self.target.book.truncate(order.branch.id, len(order.branch.tokens) - 1)

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """Verification has written over what was drafted."""

    def share(self, leader: Branch, follower: Branch) -> None:
        """Nothing was read for the one that the other could have."""

    def forget(self, branch: Branch) -> None:
        """Nothing is kept."""

    def _laws(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> list[list[Masses]]:
        logits_RV = self.target.runner.logits(self._reader.rows(wanted))
        return laws_of(self.target, logits_RV, wanted, self.name, self.target.runner.vocab_size)

    def _read(self, trees: Sequence[Nodes]) -> Tensor:
        """Nodes of trees whose first node is the branch's last token, which the target has not read yet."""
        book, runner = self.target.book, self.target.runner
        runner.copy(book.grow([(b.id, len(b.tokens) - 1 + len(parents)) for b, _, parents in trees]))
        chunks = list[Chunk]()
        for branch, tokens, parents in trees:
            start, pages = len(branch.tokens) - 1, book.tables[branch.id].pages
            if is_chain(parents):
                chunks.append(Chunk(tokens, start + len(parents) - len(tokens), pages))
            else:
                chunks.append(Chunk(tokens, start, pages, parents))
            account = branch.ledger.model(self.name)
            kept = 1 - len(self.skip) / (2 * runner.num_layers)
            account.tokens, account.passes = account.tokens + len(tokens), account.passes + 1
            account.flops += len(tokens) * kept * (runner.costs.row + runner.costs.context * start)
        return runner.forward(chunks, self.skip)

    def _try_out(self, branch: Branch) -> None:
        if self.score < 0:
            self.score = self._worth(branch, self.skip)
        near = set(self.skip)
        if self.random.random() < RANDOM_SHARE:
            near = set(self.random.sample(self.halves, self.count))
        elif len(self.halves) > self.count:
            near.remove(self.random.choice(sorted(near)))
            near.add(self.random.choice([half for half in self.halves if half not in near]))
        worth = self._worth(branch, frozenset(near))
        # what the best was worth fades: texts change
        self.skip, self.score = (frozenset(near), worth) if worth > self.score else (self.skip, 0.98 * self.score)

    def _worth(self, branch: Branch, skip: Skip) -> float:
        """Tokens a pass of chains of LENGTH, by the share of the window's tokens that are foreseen."""
        book, runner = self.target.book, self.target.runner
        end = self.target.held(branch)
        start = end - self.window
        book.clone(branch.id, SCRATCH)
        try:
            book.truncate(SCRATCH, start)
            runner.copy(book.grow([(SCRATCH, end)]))
            hidden_WD = runner.forward([Chunk(branch.tokens[start:end], start, book.tables[SCRATCH].pages)], skip)
        except OutOfPages:
            return -1.0
        finally:
            book.close(SCRATCH)
        said_W = runner.logits(hidden_WD).argmax(-1)
        told_W = torch.tensor(branch.tokens[start + 1 : end + 1], device=said_W.device)
        match = float((said_W[: len(told_W)] == told_W).float().mean())
        cost = 1 - len(skip) / (2 * runner.num_layers)
        return sum(match**k for k in range(LENGTH + 1)) / (1 + LENGTH * cost)
