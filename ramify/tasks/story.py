"""A chain as a story, and its solution in short sentences with one equation each."""

from dataclasses import dataclass
from random import Random

from ramify.tasks.chain import Chain, Move
from ramify.tasks.words import (
    DOUBLES,
    GAINS,
    GROUPS,
    HALF,
    HALVES,
    HOLDERS,
    MEN,
    MORE,
    MORE_GROUPS,
    SALE,
    THINGS,
    TWICE,
    WOMEN,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what a story is about. `people` are distinct; the first is the main person."""

    people: tuple[str, ...]
    things: str

    def holes(self, other: str) -> dict[str, str]:
        """The words of the main person's sentences."""
        he = self.people[0] in MEN
        subject, object_form = ("he", "him") if he else ("she", "her")
        return {
            "s": subject, "S": subject.capitalize(), "o": object_form,
            "other": other, "things": self.things,
        }  # fmt: skip


def render_story(chain: Chain, random: Random, comparisons: float) -> tuple[str, list[str]]:
    """The question and the lines of its solution, the last line ``#### answer`` left out.

    A share of `comparisons` of the stories compares several people's things, the others follow
    one person's.
    """
    people = random.sample(MEN + WOMEN, len(chain.moves) + 2)
    cast = Cast(tuple(people), random.choice(THINGS))
    render = _one_person if random.random() < 1.0 - comparisons else _several_people
    sentences, wording = render(chain, cast, random)
    lines = [words.format(step.equation) for words, step in zip(wording, chain.steps(), strict=True)]
    return " ".join(sentences), lines


def _opening(chain: Chain, cast: Cast, random: Random) -> tuple[list[str], list[str]]:
    name, things = cast.people[0], cast.things
    if chain.factors is None:
        return [f"{name} has {chain.start} {things}."], []
    groups, each = chain.factors
    holders = random.choice(HOLDERS)
    sentence = f"{name} has {groups} {holders} with {each} {things} in each."
    return [sentence], [f"{name} has {{}} {things}."]


def _one_person(chain: Chain, cast: Cast, random: Random) -> tuple[list[str], list[str]]:
    name, things = cast.people[0], cast.things
    sentences, wording = _opening(chain, cast, random)
    question = f"How many {things} does {name} have now?"
    for index, move in enumerate(chain.moves):
        is_last = index == len(chain.moves) - 1
        holes = cast.holes(cast.people[index + 1])
        line = f"Now {name} has {{}} {things}."
        if is_last and move.operator == "*" and random.random() < 0.5:
            sentences.append(SALE.format(n=move.operand, **holes))
            question = f"How many dollars does {holes['s']} get?"
            line = f"{name} gets {{}} dollars."
        else:
            sentences.append(_event(move, holes, random))
        if move.factors is not None:
            wording.append(f"That is {{}} {things}.")
        wording.append(line)
    return [*sentences, question], wording


def _several_people(chain: Chain, cast: Cast, random: Random) -> tuple[list[str], list[str]]:
    things = cast.things
    sentences, wording = _opening(chain, cast, random)
    moves, last = list(chain.moves), cast.people[len(chain.moves)]
    for index, move in enumerate(moves):
        old, new = cast.people[index], cast.people[index + 1]
        sentences.append(_comparison(move, old, new, things, random))
        if move.factors is not None:
            wording.append(f"That is {{}} {things}.")
        wording.append(f"{new} has {{}} {things}.")
    return [*sentences, f"How many {things} does {last} have?"], wording


def _event(move: Move, holes: dict[str, str], random: Random) -> str:
    if move.factors is not None:
        a, b = move.factors
        template = random.choice(GROUPS[move.operator])
        return template.format(a=a, b=b, holders=random.choice(HOLDERS), **holes)
    templates = GAINS[move.operator]
    if move.operand == 2 and move.operator in ("*", "/"):
        templates = DOUBLES if move.operator == "*" else HALVES
    return random.choice(templates).format(n=move.operand, **holes)


def _comparison(move: Move, old: str, new: str, things: str, random: Random) -> str:
    if move.factors is not None:
        a, b = move.factors
        holders = random.choice(HOLDERS)
        template = random.choice(MORE_GROUPS[move.operator])
        return template.format(a=a, b=b, holders=holders, things=things, old=old, new=new)
    templates = MORE[move.operator]
    if move.operand == 2 and move.operator in ("*", "/"):
        templates = TWICE if move.operator == "*" else HALF
    return random.choice(templates).format(n=move.operand, things=things, old=old, new=new)
