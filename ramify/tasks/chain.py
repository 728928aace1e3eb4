"""The arithmetic under a problem: a start and moves, each move one or two steps.

    17 = 12 + 5          a plain move, one step
    41 = 17 + 4 * 6      a move by a product, two steps: 4 * 6 = 24, then 17 + 24 = 41

Every value on the way is a whole number between 2 and the ceiling.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from ramify.tasks.problem import Step

Operator: TypeAlias = Literal["+", "-", "*", "/"]
Factors: TypeAlias = tuple[int, int]

OPERATORS: tuple[Operator, ...] = ("+", "-", "*", "/")
OPERATOR_WEIGHTS = (0.30, 0.28, 0.24, 0.18)
PRODUCT_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Move:
    """`operator` applied to the running value; `factors` when the operand is itself a product."""

    operator: Operator
    operand: int
    factors: Factors | None = None

    @property
    def num_steps(self) -> int:
        """One, or two when the operand must be worked out first."""
        return 1 if self.factors is None else 2

    def apply(self, value: int) -> int:
        """The running value after the move; divisions are exact by construction."""
        match self.operator:
            case "+":
                return value + self.operand
            case "-":
                return value - self.operand
            case "*":
                return value * self.operand
            case "/":
                return value // self.operand


@dataclass(frozen=True, slots=True)
class Chain:
    """A start (`factors` when the start is a product, which is then the first step) and moves."""

    start: int
    factors: Factors | None
    moves: tuple[Move, ...]

    def values(self) -> tuple[int, ...]:
        """The running value: the start, then the value after every move. Length moves + 1."""
        values = [self.start]
        for move in self.moves:
            values.append(move.apply(values[-1]))
        return tuple(values)

    def steps(self) -> tuple[Step, ...]:
        """The equations in the order in which a solution writes them."""
        steps = [] if self.factors is None else [_product(self.factors)]
        for value, move in zip(self.values(), self.moves, strict=False):
            if move.factors is not None:
                steps.append(_product(move.factors))
            expression = f"{value} {move.operator} {move.operand}"
            steps.append(Step(expression, str(move.apply(value))))
        return tuple(steps)


def draw_chain(random: Random, num_steps: int, ceiling: int) -> Chain:
    """A chain of exactly `num_steps` steps whose values all lie in 2..`ceiling`.

    ValueError when `num_steps` < 1 or `ceiling` < 20 (too little room for every operator).
    """
    if num_steps < 1 or ceiling < 20:
        raise ValueError(f"a chain needs num_steps >= 1 and ceiling >= 20, got {num_steps}, {ceiling}")
    factors = _draw_factors(random, ceiling) if random.random() < PRODUCT_SHARE else None
    start = factors[0] * factors[1] if factors else random.randint(3, min(ceiling // 2, 200))
    left = num_steps - (factors is not None)
    value, moves = start, []
    while left:
        move = _draw_move(random, value, ceiling, left)
        moves.append(move)
        value, left = move.apply(value), left - move.num_steps
    return Chain(start, factors, tuple(moves))


def _product(factors: Factors) -> Step:
    return Step(f"{factors[0]} * {factors[1]}", str(factors[0] * factors[1]))


def _draw_factors(random: Random, most: int) -> Factors:
    groups = random.randint(2, min(9, most // 2))
    return groups, random.randint(2, max(2, min(25, most // groups)))


def _draw_move(random: Random, value: int, ceiling: int, left: int) -> Move:
    while True:
        operator = random.choices(OPERATORS, OPERATOR_WEIGHTS)[0]
        move = _try_move(random, operator, value, ceiling, left)
        if move is not None:
            return move


def _try_move(random: Random, operator: Operator, value: int, ceiling: int, left: int) -> Move | None:
    if operator in ("+", "-"):
        most = ceiling - value if operator == "+" else value - 2
        if left > 1 and most >= 4 and random.random() < PRODUCT_SHARE:
            factors = _draw_factors(random, most)
            return Move(operator, factors[0] * factors[1], factors)
        return Move(operator, random.randint(2, min(most, ceiling // 2))) if most >= 2 else None
    if operator == "*":
        most = min(9, ceiling // value)
        return Move("*", random.randint(2, most)) if most >= 2 else None
    divisors = [k for k in range(2, 10) if value % k == 0 and value // k >= 2]
    return Move("/", random.choice(divisors)) if divisors else None
