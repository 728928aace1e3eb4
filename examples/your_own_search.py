"""Your own search in 20 lines: it yields what it wants, and the engine does the rest.

    python examples/your_own_search.py            # half a minute on two cores

The search below writes a line at a time. After each line it asks the reward which half of its candidates is better,
lets these go on and gives the places of the others to copies of the best. It never sees a tensor, a model or a
tokenizer. So it runs under any model, any reward, any guide and any budget, beside any other search and inside of one,
and every token that is read for it is in its ledger. Once it is registered, `lm.search` knows its name and its options.

Whether it pays is a question for the same problems and the same reward: best-of-n is run beside it.
"""

import argparse

import ramify
from ramify.api import is_right, problems
from ramify.core.protocols import Method
from ramify.core.registry import register
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Drop, Finish, Fork, Marker, Score, Search


def survival(prompt: Prompt, *, n: int = 8, rounds: int = 3) -> Search[Selection]:
    """n candidates; after each line the worse half makes room for copies of the best."""
    live, rejected = (yield Fork(prompt, n)), []
    for _ in range(rounds):
        yield Advance(live, Marker("\n"))
        scores = yield Score(live)
        live.sort(key=scores.__getitem__, reverse=True)
        better, worse = live[: (n + 1) // 2], live[(n + 1) // 2 :]
        rejected += [Ended(branch, scores[branch], stopped_because="rejected") for branch in worse]
        yield Drop(worse)
        going_on = [branch for branch in better if not branch.done]
        live = better + ((yield Fork(going_on[0], len(worse))) if going_on and worse else [])
    yield Advance(live, Finish())
    scores = yield Score(live)
    finished = [Ended.of(branch, scores[branch]) for branch in live]
    return Selection(best_of(finished), (*finished, *rejected))


METHOD = Method("survival", survival, "copies of the best replace the worse half", "-", "a search", uses_reward=True)


def main(num_problems: int) -> None:
    """Run it and best-of-n on held-out problems."""
    register("method", "survival", f"{__name__}:METHOD")
    held_out = problems(num_problems)
    with ramify.load(page_size=8) as lm:
        for method, n in (("best-of-n", 8), ("best-of-n", 16), ("survival", 8), ("survival", 16)):
            lm.forget_prefixes()  # or else prompts would be free for whoever comes second
            prompts = [problem.prompt for problem in held_out]
            results = lm.search_many(prompts, method, n=n, reward="builtin-prm", seed=1)
            solved = sum(is_right(problem, out.text) for problem, out in zip(held_out, results, strict=True))
            flops = sum(out.ledger.flops for out in results) / num_problems
            print(f"{method:<10} n={n:<3} solves {solved} of {num_problems} for {flops / 1e9:.2f} GFLOPs a problem")
    print(f"\nThe last one's account: {results[-1].ledger}\n\n{held_out[-1].text}\n{results[-1].text}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=40, help="held-out problems")
    main(parser.parse_args().problems)
