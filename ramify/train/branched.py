"""Texts with questions hung on them: many questions about one text for the price of reading it once.

A question stands behind the first `after` tokens of a text and sees them and itself, as if the text had ended there;
the text's own rows and the other questions do not see it.

    text      p p p a a a a a          rows of one sequence, end to end:
    question      `-- q q c                p p p a a a a a q q c c q q c
    question            `-- q q c
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.model.config import AttentionSpec
from ramify.model.decoder import Decoder
from ramify.train.ragged import HIDDEN, Chunk, Rows, attend

# R rows (tokens of a batch), B texts of a chunk, T the longest of them, Q questions, V vocabulary


@dataclass(frozen=True, slots=True)
class Question:
    """Token ids behind the first `after` tokens of a text: a question, and the choice that answers it."""

    after: int
    asked: list[int]
    choice: list[int]


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids of a prompt (not empty), an answer to it, and questions about them."""

    prompt: list[int]
    answer: list[int]
    questions: list[Question] = field(default_factory=list)

    @property
    def rows(self) -> list[int]:
        """The tokens that are read; the last token of a choice only ever follows."""
        hung = [token for q in self.questions for token in (*q.asked, *q.choice[:-1])]
        return [*self.prompt, *self.answer, *hung]


@dataclass(slots=True)
class Laid:
    """Texts end to end: for each row its position and what it sees; which rows are read, and what follows them."""

    positions: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    following: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def add(self, text: Text) -> None:
        """Lay one more text behind the others."""
        first, place = len(self.positions), len(text.prompt) + len(text.answer)
        self._rows(range(place), 0, 0)
        self._read(first + len(text.prompt) - 1, text.answer)
        for question in text.questions:
            width = len(question.asked) + len(question.choice) - 1
            self._rows(range(question.after, question.after + width), question.after, place)
            self._read(first + place + len(question.asked) - 1, question.choice)
            place += width

    def _rows(self, positions: range, seen: int, start: int) -> None:
        self.positions += positions
        self.seen += [seen] * len(positions)
        self.starts += [start] * len(positions)

    def _read(self, first: int, tokens: list[int]) -> None:
        self.read += range(first, first + len(tokens))
        self.following += tokens
        self.lengths.append(len(tokens))


class BranchedCausal:
    """`attend` for texts with questions: row i of a text sees row j <= i where j < seen_i or j >= start_i."""

    def __init__(self, rows: Rows, laid: Laid) -> None:
        self.rows = rows
        seen_R, start_R = torch.tensor(laid.seen), torch.tensor(laid.starts)
        self.masks = [_mask(chunk, seen_R, start_R) for chunk in rows.chunks]

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        if spec.softcap is not None or spec.window is not None:
            raise NotImplementedError("training covers plain causal attention only")
        qkv = (q_RHd * spec.scale, k_RKd, v_RKd)
        parts = zip(self.rows.chunks, self.masks, strict=True)
        return torch.cat([attend(c, mask.to(q_RHd.dtype), *(x[c.start : c.stop] for x in qkv)) for c, mask in parts])


def _mask(chunk: Chunk, seen_R: Tensor, start_R: Tensor) -> Tensor:
    """What is added to the scores of a chunk, [B, 1, T, T]; padding stands behind a text and is hidden from it."""
    seen_P, start_P = torch.zeros(2, chunk.batch * chunk.longest, dtype=torch.long)
    seen_P[chunk.places_R] = seen_R[chunk.start : chunk.stop]
    start_P[chunk.places_R] = start_R[chunk.start : chunk.stop]
    j_T = torch.arange(chunk.longest)
    seen_BT1, start_BT1 = (x.view(chunk.batch, chunk.longest, 1) for x in (seen_P, start_P))
    hidden_BTT = ((j_T >= seen_BT1) & (j_T < start_BT1)) | (j_T > j_T[:, None])
    return torch.zeros(hidden_BTT.shape).masked_fill_(hidden_BTT, HIDDEN)[:, None]


def log_chances(decoder: Decoder, texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
    """Summed log-probabilities, in nats: [N] of every text's answer (0 if empty), [Q] of every question's choice.

    Both in the order of the texts, a text's questions side by side. Runs in bfloat16; sums are fp32.
    """
    return chances_and_stream(decoder, texts, 0)[:2]


def chances_and_stream(decoder: Decoder, texts: Sequence[Text], layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """`log_chances`, and [M, D] what block `layer` left in the stream at the answers' own tokens, text by text."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i].rows))
    rows, laid, own = Rows.of([texts[i].rows for i in order]), Laid(), dict[int, range]()
    for i in order:
        first = len(laid.positions) + len(texts[i].prompt)
        own[i] = range(first, first + len(texts[i].answer))
        laid.add(texts[i])
    rows = replace(rows, positions_R=torch.tensor(laid.positions))
    streams: list[Tensor] = []
    with torch.autocast("cpu", torch.bfloat16):
        attend_all = BranchedCausal(rows, laid)
        hidden_RD = decoder(rows.tokens_R, rows.positions_R, attend_all, lambda _, h_RD: streams.append(h_RD))
        logits_RV = decoder.logits(hidden_RD[torch.tensor(laid.read)])
    logp_R = -F.cross_entropy(logits_RV.float(), torch.tensor(laid.following), reduction="none")
    sums = iter([part.sum() for part in torch.split(logp_R, laid.lengths)])
    by_text = {i: [next(sums) for _ in range(1 + len(texts[i].questions))] for i in order}
    answers = [by_text[i][0] for i in range(len(texts))]
    choices = [chance for i in range(len(texts)) for chance in by_text[i][1:]]
    chosen = torch.tensor([row for i in range(len(texts)) for row in own[i]], dtype=torch.long)
    return torch.stack(answers), torch.stack(choices) if choices else logp_R.new_zeros(0), streams[layer][chosen]
