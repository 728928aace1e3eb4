"""A chain as a bare expression: ``(12 + 5) * 3 - 7 = ?``."""

from random import Random

from ramify.tasks.chain import Chain, Factors

FORMS = ("{} = ?", "What is {}?", "Compute {}.")


def expression_text(chain: Chain) -> str:
    """The chain with the fewest brackets that keep its order: products bind tighter than sums."""
    text = _operand(chain.start, chain.factors)
    is_sum = False
    for move in chain.moves:
        if move.operator in ("*", "/") and is_sum:
            text = f"({text})"
        text = f"{text} {move.operator} {_operand(move.operand, move.factors)}"
        is_sum = move.operator in ("+", "-")
    return text


def render_expression(chain: Chain, random: Random) -> tuple[str, list[str]]:
    """The question and the lines of its solution, the last line ``#### answer`` left out."""
    text = random.choice(FORMS).format(expression_text(chain))
    return text, [step.equation for step in chain.steps()]


def _operand(value: int, factors: Factors | None) -> str:
    return str(value) if factors is None else f"{factors[0]} * {factors[1]}"
