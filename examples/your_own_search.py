"""Your own search in 20 lines: it yields what it wants, and the engine does the rest.

    python examples/your_own_search.py

The search below reads a line at a time. After each line it asks the reward which half of its candidates is better, lets
these go on and gives the places of the others to copies of the best. It never sees a tensor, a model or a tokenizer, so
it runs under any model, any reward, any budget and beside any other search, and its every token is in the ledger.
"""

import ramify
from ramify.core.protocols import Method
from ramify.core.registry import register
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Drop, Finish, Fork, Marker, Score, Search


def survival(prompt: Prompt, *, n: int = 8, rounds: int = 3) -> Search[Selection]:
    """n candidates; after each line the worse half makes room for copies of the best."""
    live = yield Fork(prompt, n)
    rejected = []
    for _ in range(rounds):
        yield Advance(live, Marker("\n"))
        scores = yield Score(live)
        live.sort(key=scores.__getitem__, reverse=True)
        better, worse = live[: (n + 1) // 2], live[(n + 1) // 2 :]
        rejected += [Ended(branch, scores[branch], stopped_because="rejected") for branch in worse]
        yield Drop(worse)
        live = better + (yield Fork(better[0], n - len(better)))
    yield Advance(live, Finish())
    scores = yield Score(live)
    finished = [Ended.of(branch, scores[branch]) for branch in live]
    return Selection(best_of(finished), (*finished, *rejected))


METHOD = Method("survival", survival, "copies of the best replace the worse half", "-", "a search", uses_reward=True)

if __name__ == "__main__":
    register("method", "survival", f"{__name__}:METHOD")
    lm = ramify.load()
    problem = "Tom has 6 packs with 12 apples in each. Max gives him 30 more. How many apples does Tom have now?\n"
    for method in ("best-of-n", "survival"):
        out = lm.search(problem, method, n=8, reward="builtin-prm", seed=1)
        print(f"{method}: {out.text!r}\n  {out.ledger}\n")
