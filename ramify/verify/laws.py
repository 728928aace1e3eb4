"""The engine's laws, each a function of a lab that returns how far it is from holding (0 is exactly).

A distance is the largest total variation between next-token laws that should be equal, along the same tokens; where a
law is about books, it is 0 or 1. What a lab's arithmetic allows is its `tolerance`: nothing on the toy and in exact
mode.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ramify.core.errors import OutOfPages
from ramify.core.types import Branch
from ramify.engine.engine import Engine
from ramify.reward.outcome import OutcomeReward
from ramify.verify.lab import Lab, Recorder, distance

GROW = 5


def _recorded(lab: Lab, recorder: Recorder, **options: int) -> Engine:
    engine = lab.make(draw=recorder, **options)
    recorder.vocab_size = engine.target.runner.vocab_size
    return engine


def _alone(lab: Lab, index: int, address: int, tokens: Sequence[int], **options: int) -> list[list[float]]:
    """The laws met by a branch with nobody beside it, along given tokens."""
    recorder = Recorder(script={address: tokens})
    engine = _recorded(lab, recorder, **options)
    branch = engine.prefill(lab.prompt(index, ignore_eos=True))
    branch.address = address
    engine.advance([branch], len(tokens))
    engine.drop([branch])
    engine.check()
    return recorder.laws[address]


def _worst(lab: Lab, index: int, branches: Sequence[Branch], recorder: Recorder) -> float:
    return max(distance(recorder.laws[b.address], _alone(lab, index, b.address, b.generated)) for b in branches)


def fork_is_free_of_consequence(lab: Lab) -> float:
    """1. Fork-then-advance equals prefill-then-advance with the same randomness, siblings or not, in the middle too."""
    recorder = Recorder()
    engine = _recorded(lab, recorder)
    worst = 0.0
    for index in range(len(lab.prompts)):
        root = engine.prefill(lab.prompt(index, seed=index, ignore_eos=True))
        first = engine.fork(root, 3)
        engine.advance(first, GROW)
        worst = max(worst, _worst(lab, index, first, recorder))
        middle = engine.fork(first[1], 2)
        for child in middle:  # a child's laws so far are its parent's
            recorder.laws[child.address] = list(recorder.laws[first[1].address])
        engine.advance([*middle, first[0]], GROW)
        worst = max(worst, _worst(lab, index, [*middle, first[0]], recorder))
        engine.drop([root, *first, *middle])
    return worst


def neighbours_do_not_matter(lab: Lab) -> float:
    """2. A branch's laws do not depend on who else is alive, comes or goes."""
    recorder = Recorder()
    engine = _recorded(lab, recorder)
    branch = engine.prefill(lab.prompt(0, seed=7, ignore_eos=True))
    others = list[Branch]()
    for index in range(len(lab.prompts)):
        others += engine.fork(engine.prefill(lab.prompt(index, seed=index, ignore_eos=True)), 2)
        engine.advance([*others, branch], 1)
    engine.drop(others[::2])
    engine.advance([*others[1::2], branch], 2)
    return _worst(lab, 0, [branch], recorder)


def chunks_do_not_matter(lab: Lab) -> float:
    """3. Prefill in pieces of any size gives the same next-token laws."""
    index = max(range(len(lab.prompts)), key=lambda i: len(lab.prompts[i]))
    recorder = Recorder()
    engine = _recorded(lab, recorder)
    branch = engine.prefill(lab.prompt(index, ignore_eos=True))
    engine.advance([branch], GROW)
    pieces = (1, 2, 3, 7, lab.page_size, lab.page_size + 1)
    laws = [_alone(lab, index, branch.address, branch.generated, row_budget=piece) for piece in pieces]
    return max(distance(recorder.laws[branch.address], law) for law in laws)


def room_is_exact(lab: Lab) -> float:
    """4. Advancing into the room succeeds; one token more raises OutOfPages and leaves the books as they were."""
    for num_pages in range(-(-len(lab.prompts[0]) // lab.page_size) + 3, 24, 3):
        engine = lab.make(num_pages=num_pages)
        root = engine.prefill(lab.prompt(0, ignore_eos=True))
        live = engine.fork(root, 3)
        engine.drop([root])
        room = engine.room(live)
        if room >= live[0].max_length - len(live[0].tokens):
            continue
        if not _refused(engine, live, room + 1):
            return 1.0
        if room:
            engine.advance(live, room)
        if any(b.num_generated != room for b in live) or not _refused(engine, live, engine.room(live) + 1):
            return 1.0
        engine.check()
    return 0.0


def truncate_undoes_advance(lab: Lab) -> float:
    """5. After truncate, pages, tokens and laws are as before."""
    recorder = Recorder()
    engine = _recorded(lab, recorder)
    worst = 0.0
    for index in range(len(lab.prompts)):
        branch = engine.prefill(lab.prompt(index, ignore_eos=True))
        for back_to in (0, 1, 3):
            if back_to > branch.num_generated:
                engine.advance([branch], back_to - branch.num_generated)
            tokens, pages = branch.tokens.copy(), _pages(engine, branch)
            engine.advance([branch], GROW + back_to)
            engine.truncate(branch, branch.num_prompt + back_to)
            engine.check()
            if branch.tokens != tokens or _pages(engine, branch) != pages:
                return 1.0
            del recorder.laws[branch.address][back_to:]
            engine.advance([branch], GROW)
            worst = max(worst, _worst(lab, index, [branch], recorder))
            engine.truncate(branch, branch.num_prompt + back_to)
            del recorder.laws[branch.address][back_to:]
        engine.drop([branch])
    return worst


def drop_returns_every_page(lab: Lab) -> float:
    """6. In any order, once; `check` holds after every verb: seeded random walks of all the verbs."""
    return max(walk(lab, seed) for seed in range(20))


def walk(lab: Lab, seed: int, steps: int = 25, **options: Any) -> float:
    """One random walk of the verbs, the books audited after each; 0 if they balance and end empty.

    Args:
        options: of the engine (`draw`, `row_budget`).
    """
    dice, engine = random.Random(seed), lab.make(num_pages=24, **options)
    live = list[Branch]()
    for _ in range(steps):
        with suppress(OutOfPages):
            _random_verb(dice, engine, lab, live)
        engine.check()
    dice.shuffle(live)
    for branch in live:
        engine.drop([branch, branch])
        engine.check()
    left = sum(model.book.pool.num_pages - model.book.free for model in engine.models)
    return float(left > 0 or bool(engine.branches))


def _random_verb(dice: random.Random, engine: Engine, lab: Lab, live: list[Branch]) -> None:
    verb = dice.choice(("prefill", "fork", "advance", "advance", "score", "truncate", "release", "drop"))
    if verb == "prefill" or not live:
        live.append(
            engine.prefill(lab.prompt(dice.randrange(len(lab.prompts)), seed=dice.randrange(99), ignore_eos=True))
        )
        return
    some = dice.sample(live, dice.randint(1, len(live)))
    if verb == "fork" and len(live) < 12:
        live += engine.fork(some[0], dice.randint(1, 3))
    elif verb == "advance":
        engine.advance(some, dice.randint(1, 4))
    elif verb == "score" and engine.others:
        engine.score(some, OutcomeReward("judge", next(iter(engine.others))))
    elif verb == "truncate":
        engine.truncate(some[0], dice.randint(some[0].num_prompt, len(some[0].tokens)))
    elif verb == "release":
        engine.release(some[0])
    elif verb == "drop":
        engine.drop(some)
        live[:] = [b for b in live if b not in some]


def rows_never_couple(lab: Lab) -> float:
    """Perturbing one row leaves every other row's law bit-identical: 0 if it does, else 1."""
    seen = list[list[list[list[float]]]]()
    for other in (1, 2):
        recorder = Recorder()
        engine = _recorded(lab, recorder)
        watched = [engine.prefill(lab.prompt(i, seed=i, ignore_eos=True)) for i in range(len(lab.prompts))]
        stray = engine.prefill(lab.prompt(0, seed=99, ignore_eos=True))
        recorder.script[stray.address] = [other] * GROW
        engine.advance([watched[0], stray, *watched[1:]], GROW)
        seen.append([recorder.laws[b.address] for b in watched])
    return 0.0 if seen[0] == seen[1] else 1.0


def _refused(engine: Engine, live: Sequence[Branch], count: int) -> bool:
    """Whether advancing this far raises OutOfPages and changes nothing."""
    before = _books(engine)
    try:
        engine.advance(live, count)
    except OutOfPages:
        return _books(engine) == before
    return False


def _pages(engine: Engine, branch: Branch) -> list[int]:
    models = (engine.target, *engine.others.values())  # what a drafter has read of a branch is its own business
    return [len(model.book.tables[branch.id].pages) for model in models if branch.id in model.book.tables]


def _books(engine: Engine) -> list[object]:
    branches = [(b.id, tuple(b.tokens), b.finish) for b in engine.branches.values()]
    tables = [{i: (tuple(t.pages), t.length) for i, t in model.book.tables.items()} for model in engine.models]
    return [branches, tables, [model.book.free for model in engine.models]]


LAWS: dict[str, Callable[[Lab], float]] = {
    "fork is free of consequence": fork_is_free_of_consequence,
    "neighbours don't matter": neighbours_do_not_matter,
    "chunks don't matter": chunks_do_not_matter,
    "room is exact": room_is_exact,
    "truncate undoes advance": truncate_undoes_advance,
    "drop returns every page": drop_returns_every_page,
    "rows never couple": rows_never_couple,
}
