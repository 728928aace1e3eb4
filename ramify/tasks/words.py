"""The vocabulary of the stories: who, what, and the sentences that stand for a move.

Holes: {s} the subject (he, she), {S} the same with a capital, {o} the object form, {other} someone
else, {n} the operand, {a} {b} the factors of a product in the order in which they are multiplied.
"""

from ramify.tasks.chain import Operator

MEN = ("Tom", "Ben", "Sam", "Max", "Leo", "Omar", "Paul", "Jack", "Ivan", "Noah", "Luis", "Finn")
WOMEN = ("Mia", "Anna", "Lily", "Emma", "Zoe", "Sara", "Nina", "Rosa", "Kim", "Eva", "Ruth", "Maya")
THINGS = (
    "apples", "books", "pens", "coins", "cards", "shells", "marbles", "stamps", "eggs", "cookies",
    "stickers", "pears", "beads", "toys", "cups", "flowers", "oranges", "candles", "nuts", "plums",
)  # fmt: skip
HOLDERS = ("boxes", "bags", "jars", "baskets", "packs", "crates")

GAINS: dict[Operator, tuple[str, ...]] = {
    "+": (
        "{S} buys {n} more.",
        "{S} finds {n} more.",
        "{other} gives {o} {n} more.",
        "Then {s} gets {n} more from {other}.",
        "Later {s} picks up {n} more.",
    ),
    "-": (
        "{S} gives {n} of them to {other}.",
        "{S} loses {n} of them.",
        "{S} sells {n} of them.",
        "Then {other} takes {n} of them.",
        "Later {s} throws away {n} of them.",
    ),
    "*": (
        "A week later {s} has {n} times as many.",
        "Then {s} trades them for {n} times as many.",
        "By Friday {s} has {n} times as many.",
    ),
    "/": (
        "{S} splits them into {n} equal piles and keeps one pile.",
        "{S} shares them equally among {n} friends, and one friend gives {o} that share back.",
        "{S} sorts them into {n} equal rows and keeps one row.",
    ),
}
DOUBLES = ("Then {s} doubles what {s} has.", "A week later {s} has twice as many.")
HALVES = ("{S} gives away half of them.", "Then {s} loses half of them.")
GROUPS: dict[Operator, tuple[str, ...]] = {
    "+": (
        "{S} buys {a} {holders} with {b} {things} in each.",
        "{other} brings {o} {a} {holders} of {b} {things} each.",
    ),
    "-": (
        "{S} gives {a} friends {b} {things} each.",
        "{S} sells {a} {holders} of {b} {things} each.",
    ),
}
SALE = "{S} sells all of them for {n} dollars each."

MORE: dict[Operator, tuple[str, ...]] = {
    "+": ("{new} has {n} more than {old}.", "{new} has {n} {things} more than {old}."),
    "-": ("{new} has {n} fewer than {old}.", "{new} has {n} {things} less than {old}."),
    "*": ("{new} has {n} times as many as {old}.",),
    "/": ("{old} has {n} times as many as {new}.",),
}
TWICE = ("{new} has twice as many as {old}.", "{new} has double what {old} has.")
HALF = ("{new} has half as many as {old}.", "{old} has twice as many as {new}.")
MORE_GROUPS: dict[Operator, tuple[str, ...]] = {
    "+": ("{new} has {a} {holders} of {b} {things} more than {old}.",),
    "-": ("{new} has {a} {holders} of {b} {things} less than {old}.",),
}
