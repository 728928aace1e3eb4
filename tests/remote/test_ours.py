"""Against our own server, on token ids, with and without drafts: the six searches, its rewards, steps of exact ids."""

from collections.abc import Iterator
from typing import Any

import pytest

import ramify
from ramify.api import BUILTIN_MODELS
from ramify.api.remote import Remote
from ramify.core.ledger import ServerAccount
from ramify.model.tokenizer import Tokenizer
from tests.remote.six import PROBLEM, progress, search, six_searches

settings = pytest.importorskip("ramify.server.settings", reason="needs ramify[server]", exc_type=ImportError)
serving = pytest.importorskip("tests.server.serving", reason="needs ramify[server]", exc_type=ImportError)
KEY = "a key"


@pytest.fixture(scope="module", params=[None, "builtin-draft"], ids=["plain", "drafts"])
def server(request: pytest.FixtureRequest) -> Iterator[Remote]:
    wish = settings.Settings(api_keys=(KEY,), draft=request.param)
    with (
        serving.serve("builtin", wish, mode="fast") as served,
        ramify.connect(f"{served.url}/v1", api_key=KEY) as remote,
    ):
        yield remote


def test_what_it_can_do(server: Remote) -> None:
    able = server.capabilities
    assert able.kind == "ramify" and able.ids and able.logprobs and able.streams and able.stream_usage
    assert able.seeds and able.varied and able.choices > 1 and able.context == 512
    assert "builtin-prm" in able.rewards


@six_searches
def test_the_six_searches(server: Remote, method: str, options: dict[str, Any]) -> None:
    first = search(server, method, options)
    tokenizer = Tokenizer.load(BUILTIN_MODELS["target"])
    prompt = tokenizer.encode(PROBLEM)
    for candidate in first.candidates:  # ids and text are in step, however the pieces came
        whole = tokenizer.continuation(prompt, candidate.token_ids)
        assert whole == candidate.text and candidate.tokens == len(candidate.token_ids)
    again = search(server, method, options)
    assert [c.text for c in again.candidates] == [c.text for c in first.candidates]
    other = search(server, method, options, seed=4)
    assert [c.text for c in other.candidates] != [c.text for c in first.candidates]


def test_steps_end_at_the_very_token(server: Remote) -> None:
    """Drafts bring several tokens in one event; where a text was forked, a line had just ended all the same."""
    tokenizer, seen = Tokenizer.load(BUILTIN_MODELS["target"]), list[str]()
    prompt = tokenizer.encode(PROBLEM)
    options: dict[str, Any] = {"n": 6, "width": 3, "reward": progress, "max_tokens": 64, "temperature": 1.5}
    for seed in range(3):
        result = server.search(PROBLEM, "beam", seed=seed, **options)
        ids_of = {candidate.text: candidate.token_ids for candidate in result.candidates}
        for branch in result.tree:
            ids = ids_of.get(branch.text, ())
            if 0 < branch.forked_at < len(ids):  # forks of what had ended already are whole
                seen.append(tokenizer.continuation(prompt, ids[: branch.forked_at]))
    assert seen and all(text.endswith("\n") for text in seen)


@pytest.mark.parametrize(("ended", "most"), [(False, 12), (True, 100)])
def test_its_rewards_are_those_of_the_same_model_here(ended: bool, most: int, server: Remote) -> None:
    """/v1/score of a text is what the reward model says here of the text's tokens, of an ended one with its end."""
    wish: dict[str, Any] = {"n": 4, "reward": "builtin-prm", "max_tokens": most, "temperature": 1.2, "seed": 1}
    here = ramify.load().search(PROBLEM, "best-of-n", **wish)
    assert all((candidate.stopped_because == "stop") == ended for candidate in here.candidates)
    known = {candidate.text: candidate.score for candidate in here.candidates}
    account, texts = ServerAccount(), list(known)
    scores = server._loop.run(lambda: server._server.score("builtin-prm", PROBLEM, texts, account, ended=ended))[0]
    assert scores == pytest.approx(list(known.values()), abs=0.02)
    there = server.search(PROBLEM, "best-of-n", n=3, reward="server:builtin-prm", max_tokens=64, seed=1)
    assert there.best.score == max(c.score for c in there.candidates if c.score is not None)
    assert there.ledger.reward_tokens > 0


def test_chats(server: Remote) -> None:
    messages = [{"role": "user", "content": PROBLEM.strip()}]
    result = server.search(messages, "beam", n=4, reward=progress, max_tokens=48, seed=1)
    assert result.candidates and len(result.rounds) > 1
