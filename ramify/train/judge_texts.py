"""What a model is asked about solutions, and the true choice: is this one right so far, which of two is right?

Whoever asks at inference time must ask in these words. Every piece is encoded apart, one after the other; as no token
spans a line break, nor the end of a word, the ids are those of the whole text.

    so far    problem, a solution or its beginning, "\\nIs this right so far?", then " yes" or " no"
    which     problem, "First:\\n", a solution, "\\nSecond:\\n", another, "\\nWhich is right?", then " first" or
              " second"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tokenizers import Tokenizer

from ramify.train.branched import Question, Text
from ramify.train.labels import Labelled
from ramify.train.language import text_ids
from ramify.train.pairs import Pair
from ramify.train.vocabulary import END_ID

SO_FAR, YES, NO = "\nIs this right so far?", " yes", " no"
FIRST, SECOND = "First:\n", "\nSecond:\n"
WHICH, IS_FIRST, IS_SECOND = "\nWhich is right?", " first", " second"
LINES = 2  # of a solution that are asked about while training, beside its end and one place anywhere


@dataclass(frozen=True, slots=True)
class Judging:
    """The questions in token ids."""

    tokenizer: Tokenizer

    def so_far(self, after: int, right: bool) -> Question:
        """The question behind the first `after` tokens of a text, with the choice `right`."""
        return Question(after, self._ids(SO_FAR), self._ids(YES if right else NO))

    def asked(self, sample: Labelled, random: Random) -> list[Question]:
        """A few places of a solution, each with the true choice: its end, line ends, and one place anywhere.

        The line break, or the end token, that ends a line is seen or not: either way half the time.
        """
        ends = [end for end, _ in sample.lines]
        places = {random.randrange(len(sample.solution)), _either(ends[-1], random)}
        places |= {_either(end, random) for end in random.sample(ends, min(LINES, len(ends)))}
        return [self.so_far(len(sample.prompt) + i + 1, sample.right[i]) for i in sorted(places)]

    def which(self, pair: Pair, right_first: bool, choose_first: bool) -> Text:
        """Both solutions behind their problem, and the choice `choose_first`."""
        both = [_without_end(pair.right), _without_end(pair.wrong)]
        one, other = both if right_first else reversed(both)
        text = [*pair.right.prompt, *self._ids(FIRST), *one, *self._ids(SECOND), *other]
        choice = self._ids(IS_FIRST if choose_first else IS_SECOND)
        return Text(text, [], [Question(len(text), self._ids(WHICH), choice)])

    def fitting(self, pairs: Sequence[Pair], positions: int) -> list[Pair]:
        """The pairs that, asked about, are no longer than `positions` tokens."""
        return [pair for pair in pairs if len(self.which(pair, True, False).rows) < positions]

    def _ids(self, text: str) -> list[int]:
        return text_ids(self.tokenizer, text)


def _either(end: int, random: Random) -> int:
    """The index of a line's last token, or of the one before it."""
    return max(0, end - random.randrange(2))


def _without_end(sample: Labelled) -> list[int]:
    return sample.solution[:-1] if sample.solution[-1] == END_ID else sample.solution
