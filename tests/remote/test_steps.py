"""A step ends where its marker is met, nowhere else, and no letter of the text is lost: on every wire."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ramify.core.errors import BadInput, Incompatible
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Append, Finish, Fork, Marker, Search, Texts, Tokens, Truncate
from ramify.remote.answers import Drawn, Piece
from ramify.remote.capabilities import Capabilities
from ramify.remote.driver import Run
from ramify.remote.reading import cut_behind
from ramify.remote.requests import Source
from ramify.remote.server import Server
from tests.remote.conftest import Meet
from tests.remote.fakes import Direct, ToyServer
from tests.remote.laws import ON_IDS, ON_TEXT

PROMPT = (1, 2, 1)
NO_STREAMS = replace(ON_TEXT, streams=False)
WIRES = {
    "ids": ON_IDS,
    "text": ON_TEXT,
    "without streams": NO_STREAMS,
    "ids, no streams": replace(ON_IDS, streams=False),
}
every_wire = pytest.mark.parametrize("able", WIRES.values(), ids=WIRES)


def answered(search: Search[Any], able: Capabilities, toy: ToyServer | None = None) -> Any:
    """What a search of a few wants comes to."""
    run = Run(Server(Direct(toy or ToyServer()), able))
    return asyncio.run(run.run(search))


def prompt(able: Capabilities, **sampling: Any) -> Prompt:
    tokens = PROMPT if able.ids else (0,)
    return Prompt(tokens, Sampling(**{"max_tokens": 12} | sampling), text="aba")


def over(branches: list[Branch], *rounds: dict[str, Any]) -> Selection:
    ended = tuple(Ended.of(b) for b in branches)
    return Selection(ended[0], ended, rounds)


def told(able: Capabilities, source: Prompt, search: Any, toy: ToyServer | None = None) -> Selection:
    """Run `search(prompt)`; on the text wire the prompt's text is made known first."""
    run = Run(Server(Direct(toy or ToyServer()), able))
    tokens = source.tokens if able.ids else run.know(Source("text", "aba"))
    selection: Selection = asyncio.run(run.run(search(replace(source, tokens=tokens))))
    return selection


@every_wire
@pytest.mark.parametrize("seed", range(6))
def test_steps_joined_are_the_text_and_each_ends_at_its_marker(able: Capabilities, seed: int) -> None:
    def steps(source: Prompt) -> Search[Selection]:
        [branch] = yield Fork(source, 1)
        seen, before = [], ""
        while not branch.done:
            yield Advance([branch], Marker("b"))
            text = (yield Texts([branch]))[branch]
            assert text.startswith(before)
            seen.append(text[len(before) :])
            before = text
        return over([branch], {"steps": seen, "text": before, "finish": branch.finish})

    [found] = told(able, replace(prompt(able), seed=seed), steps).rounds
    assert "".join(found["steps"]) == found["text"]
    for step in found["steps"][:-1]:
        assert step.endswith("b") and step.count("b") == 1
    last = found["steps"][-1]  # ends the text: nothing behind it, or the marker as its last token
    assert last.count("b") <= 1 and (last.find("b") in (-1, len(last) - 1))


@every_wire
def test_an_end_of_the_text_is_no_marker(able: Capabilities) -> None:
    """Both are "stop" to a server that is given stop texts; here one is done and the other is not."""

    def one_step(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 24)
        yield Advance(live, Marker("b"))
        texts = yield Texts(live)
        return over(live, *({"text": texts[b], "finish": b.finish} for b in live))

    rounds = told(able, prompt(able), one_step).rounds
    ended = [r for r in rounds if r["finish"] == "stop"]
    met = [r for r in rounds if r["finish"] is None]
    assert ended and met and len(ended) + len(met) == 24
    assert all("b" not in r["text"] for r in ended) and all(r["text"].endswith("b") for r in met)


@every_wire
def test_most_tokens_of_a_step(able: Capabilities) -> None:
    def steps(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 8)
        grown = yield Advance(live, Marker("zz", most=3))
        return over(live, {"grown": grown, "lengths": [b.num_generated for b in live if not b.done]})

    [found] = told(able, prompt(able), steps).rounds
    assert found["grown"] == 3 and set(found["lengths"]) == {3}


@pytest.mark.parametrize("piece", [1, 2, 5])
@pytest.mark.parametrize("holds", [0, 2])
def test_ids_and_text_stay_in_step(piece: int, holds: int) -> None:
    """A server that sends several tokens at once and holds text back for its stop texts: cut at the very token."""
    toy = ToyServer(piece=piece, holds=holds)

    def steps(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 8)
        yield Advance(live, Marker("b"))
        texts = yield Texts(live)
        spelled = [toy.codec.decode(b.generated) for b in live]
        return over(live, {"texts": [texts[b] for b in live], "spelled": spelled})

    [found] = told(ON_IDS, prompt(ON_IDS, stop=("aaaaaa",)), steps, toy).rounds
    assert found["texts"] == found["spelled"]
    assert all(text.count("b") == 1 for text in found["texts"] if "b" in text)


def test_what_a_stream_draws_behind_the_marker_is_not_read() -> None:
    """The stream is hung up: a server that notices draws no further."""
    toy = ToyServer()

    def step(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 8)
        yield Advance(live, Marker("b"))
        return over(live)

    ended = told(ON_IDS, prompt(ON_IDS), step, toy).ended
    assert toy.drawn == sum(e.branch.num_generated for e in ended)


def test_a_server_that_tells_nothing_cannot_step() -> None:
    able = replace(ON_TEXT, streams=False, logprobs=False)

    def step(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 8)
        yield Advance(live, Marker("b"))
        return over(live)

    with pytest.raises(Incompatible, match="neither streams nor says where its tokens end"):
        told(able, prompt(able), step)


def test_a_whole_answer_is_cut_behind_its_marker() -> None:
    drawn = Drawn(
        [Piece("one\ntwo", tokens=("one", "\n", "t", "wo"), logprobs=(-1.0, -2.0, -3.0, -4.0), finish="stop")]
    )
    cut = cut_behind(drawn, ["\n"])
    assert cut is not None and cut.met and cut.text == "one\n" and cut.logprobs == [-1.0, -2.0] and cut.finish is None
    at_the_end = Drawn([Piece("one\n", tokens=("one", "\n"), finish="length")])
    assert cut_behind(at_the_end, ["\n"]) is at_the_end
    assert cut_behind(Drawn([Piece("one\ntwo", finish="stop")]), ["\n"]) is None


@every_wire
def test_cut_back_and_gone_on_from(able: Capabilities) -> None:
    """A truncated fork has the text of its first tokens, and draws afresh."""

    def rewind(source: Prompt) -> Search[Selection]:
        [branch] = yield Fork(source, 1)
        yield Advance([branch], Tokens(6))
        whole = (yield Texts([branch]))[branch]
        forks = yield Fork(branch, 3)
        for length, fork in zip((0, 2, 5), forks, strict=True):
            yield Truncate(fork, fork.num_prompt + length)
        cut = yield Texts(forks)
        yield Advance(forks, Tokens(2))
        again = yield Texts(forks)
        pairs = [(cut[f], again[f]) for f in forks]
        return over([branch], {"whole": whole, "pairs": pairs})

    for seed in range(40):  # the first text that does not end early
        source = replace(prompt(able), seed=seed)
        [found] = told(able, source, rewind).rounds if _runs_on(able, source, 6) else [None]
        if found is not None:
            break
    assert found is not None
    for length, (cut, again) in zip((0, 2, 5), found["pairs"], strict=True):
        assert cut == found["whole"][:length] and again.startswith(cut)


def _runs_on(able: Capabilities, source: Prompt, tokens: int) -> bool:
    def probe(source: Prompt) -> Search[Selection]:
        [branch] = yield Fork(source, 1)
        yield Advance([branch], Tokens(tokens))
        return over([branch])

    return not told(able, source, probe).best.branch.done


def test_cutting_inside_an_answer_of_unknown_tokens_is_refused() -> None:
    able = replace(ON_TEXT, logprobs=False)

    def rewind(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 8)
        yield Advance(live, Finish())
        long = max(live, key=lambda b: b.num_generated)
        yield Truncate(long, long.num_prompt)  # where an answer begins is known
        other = sorted(live, key=lambda b: b.num_generated)[-2]
        yield Truncate(other, other.num_prompt + 1)
        return over(live)

    with pytest.raises(Incompatible, match="where its tokens end"):
        told(able, prompt(able), rewind)


@every_wire
def test_appended_text_is_gone_on_from(able: Capabilities) -> None:
    toy = ToyServer()

    def hint(source: Prompt) -> Search[Selection]:
        [branch] = yield Fork(source, 1)
        count = yield Append(branch, "bb")
        yield Advance([branch], Tokens(1))
        return over([branch], {"count": count, "text": (yield Texts([branch]))[branch]})

    [found] = told(able, prompt(able), hint, toy).rounds
    assert found["text"].startswith("bb") and found["count"] == (2 if able.ids else 1)
    sent = toy.seen[-1]["prompt"]
    assert sent == ([1, 2, 1, 2, 2] if able.ids else "ababb")


def test_dropped_branches_are_nobodys() -> None:
    def careless(source: Prompt) -> Search[Selection]:
        live = yield Fork(source, 2)
        stranger = replace(live[0], id=99)
        yield Advance([stranger], Finish())
        return over(live)

    with pytest.raises(BadInput, match="another search's"):
        told(ON_IDS, prompt(ON_IDS), careless)


def test_steps_over_http(meet: Meet) -> None:
    """Hanging up in the middle of a stream leaves the client fit for the next request."""
    remote = meet(ToyServer())
    options: dict[str, Any] = {"n": 4, "width": 2, "step": "b", "max_tokens": 8}
    for seed in range(3):
        result = remote.search("aba", "beam", reward=lambda p, t: float(len(t)), seed=seed, **options)
        assert len(result.rounds) > 1
