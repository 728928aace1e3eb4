"""Remote searches have the laws of local ones: enumerated, every draw of the server and every toss."""

from collections.abc import Hashable
from typing import Any

import pytest

from ramify.core.sampling import Sampling
from ramify.engine.ending import text_of
from ramify.engine.session import Session
from ramify.remote.capabilities import Capabilities
from ramify.toy.enumerate import total_variation
from ramify.toy.model import ToyCodec
from ramify.verify.toys import PLAIN, law_of, text_law
from tests.remote.laws import LETTERS, ON_IDS, ON_TEXT, remote_law, texts

SHORT = Sampling(max_tokens=2)
CODEC = ToyCodec(3)
both_wires = pytest.mark.parametrize("able", [ON_IDS, ON_TEXT], ids=["ids", "text"])


def local_texts(session: Session) -> Hashable:
    """As `laws.texts`, of a local run."""
    chosen = session.result
    assert chosen is not None

    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 9)

    ended = [(text_of(e.branch, CODEC), rounded(e.score), e.stopped_because) for e in chosen.ended]
    weights = tuple(rounded(weight) for weight in chosen.weights or ())
    best = chosen.ended.index(chosen.best)
    return tuple(ended), weights, best, rounded(chosen.log_evidence), len(chosen.rounds)


@both_wires
def test_one_text_has_the_models_law(able: Capabilities) -> None:
    want = dict[str, float]()
    for tokens, mass in text_law(PLAIN).items():
        want[CODEC.decode(tokens)] = want.get(CODEC.decode(tokens), 0.0) + mass
    got = remote_law("sample", able, lambda run, chosen: run.text_of(chosen.best.branch), PLAIN, n=1)
    assert total_variation(want, got) < 1e-12


METHODS: list[tuple[str, dict[str, Any]]] = [
    ("sample", {"n": 2}),
    ("best-of-n", {"n": 2}),
    ("majority-vote", {"n": 2}),
    ("beam", {"n": 2, "width": 2, "step": "b"}),
    ("particle-filter", {"n": 2, "marker": "b", "ess_threshold": 0.95}),
    ("particle-filter", {"n": 2, "granularity": "token", "ess_threshold": 0.95}),
]


@both_wires
@pytest.mark.parametrize(("method", "options"), METHODS, ids=lambda value: str(value))
def test_the_same_law_as_here(method: str, options: dict[str, Any], able: Capabilities) -> None:
    """Candidates, scores, weights, choice and evidence together."""
    want = law_of(method, SHORT, reward=LETTERS, read=local_texts, **options)
    assert len(want) > 10
    got = remote_law(method, able, texts, SHORT, **options)
    assert total_variation(want, got) < 1e-12


@pytest.mark.parametrize("server", [{"piece": 2}, {"piece": 3}, {"logprobs": False}, {"usage": False}], ids=str)
def test_however_the_server_streams(server: dict[str, Any]) -> None:
    """Several tokens in one event: with ids, steps still end at the very token."""
    options: dict[str, Any] = {"n": 1, "marker": "b"}
    sampling = Sampling(max_tokens=3)
    want = law_of("particle-filter", sampling, reward=LETTERS, read=local_texts, **options)
    got = remote_law("particle-filter", ON_IDS, texts, sampling, server=server, **options)
    assert total_variation(want, got) < 1e-12


def test_a_marker_that_is_met_too_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same comparison where a step ends a token behind its marker."""
    options: dict[str, Any] = {"n": 1, "marker": "b"}
    want = law_of("particle-filter", SHORT, reward=LETTERS, read=local_texts, **options)
    monkeypatch.setattr("ramify.remote.reading.meets", lambda text, markers: any(m in text[:-1] for m in markers))
    got = remote_law("particle-filter", ON_IDS, texts, SHORT, **options)
    assert total_variation(want, got) > 0.05
