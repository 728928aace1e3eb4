"""Whatever the description of the server allows, and much that it does not: never an error of the server's own.

schemathesis makes the requests: every field at and beyond its bounds, one after another, and then random bodies.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.conftest import KEYS
from tests.server.serving import Served

OPERATIONS = (
    "GET /healthz",
    "GET /metrics",
    "GET /v1/methods",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /detokenize",
    "POST /tokenize",
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/score",
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
MOST_TOKENS = 3
DICE = hypothesis_settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
)


class Fuzzed:
    """A server, its description, and who asks."""

    def __init__(self, server: Served, headers: dict[str, str], session: requests.Session) -> None:
        self.server, self.headers, self.session = server, headers, session
        self.schema = schemathesis.openapi.from_dict(server.app.openapi())

    def __getitem__(self, name: str) -> Any:
        verb, path = name.split(" ")
        return self.schema[path][verb]

    def names(self) -> set[str]:
        """Of everything described."""
        return {operation.ok().label for operation in self.schema.get_all_operations()}

    def at_the_bounds(self, name: str) -> Iterator[schemathesis.Case]:
        """Every field of a request at and beyond its bounds, the others as they should be."""
        operation = self[name]
        config = self.schema.config.generation_for(operation=operation)
        yield from self.schema.iter_coverage_cases(operation, generation_modes=MODES, generation_config=config)

    def ask(self, case: schemathesis.Case) -> Any:
        """Send it, steered to the model that is there and to little work, and check the answer."""
        if isinstance(case.body, dict):
            steer(case.body, "judge" if case.operation.path == "/v1/score" else self.server.model)
            if case.operation.path.endswith("completions"):
                shorten(case.body)
        url, headers = self.server.url, self.headers
        return case.call_and_validate(base_url=url, session=self.session, headers=headers, checks=CHECKS)

    def expected(self, name: str, seen: set[int]) -> bool:
        """Whether some requests went through, and bad ones were refused; without the key, none."""
        if self.server.settings.api_keys and not self.headers and name != "GET /healthz":
            return seen <= {401, 405}
        if "{" in name:
            return 404 in seen
        return 200 in seen and (400 in seen or not name.startswith("POST"))


def steer(body: dict[str, Any], model: str) -> None:
    """To the model that is there, and to texts that hold something: else nothing but these would be refused."""
    if isinstance(body.get("model"), str):
        body["model"] = model
    if body.get("prompt") == "":
        body["prompt"] = "ab"
    if isinstance(body.get("completions"), list):
        body["completions"] = [text or "ab" if isinstance(text, str) else text for text in body["completions"]]
        body.pop("completion", None)
    if body.get("completion") == "":
        body["completion"] = "ab"


def shorten(body: dict[str, Any]) -> None:
    """To little work."""
    lengths = ("max_tokens", "max_completion_tokens")
    for name in lengths:
        if type(body.get(name)) is int:
            body[name] = min(body[name], MOST_TOKENS)
    if all(body.get(name) is None for name in lengths):
        body["max_tokens"] = MOST_TOKENS


@pytest.fixture(scope="module", params=["open", "with a key", "without the key"])
def fuzzed(request: pytest.FixtureRequest) -> Iterator[Fuzzed]:
    """A server that asks for no key; one that does, with and without it."""
    server = request.getfixturevalue("served" if request.param == "open" else "locked")
    headers = {"Authorization": f"Bearer {KEYS[1]}"} if request.param == "with a key" else {}
    with requests.Session() as session:
        yield Fuzzed(server, headers, session)


def test_everything_described_is_asked(fuzzed: Fuzzed) -> None:
    assert fuzzed.names() == set(OPERATIONS)


@pytest.mark.parametrize("fuzzed", ["open", "without the key"], indirect=True, scope="module")
@pytest.mark.parametrize("name", OPERATIONS)
def test_at_the_bounds(name: str, fuzzed: Fuzzed) -> None:
    assert fuzzed.expected(name, {fuzzed.ask(case).status_code for case in fuzzed.at_the_bounds(name)})


@pytest.mark.parametrize("name", OPERATIONS)
def test_at_random(name: str, fuzzed: Fuzzed) -> None:
    bodies = st.one_of(*(fuzzed[name].as_strategy(generation_mode=mode) for mode in MODES))
    seen = set[int]()

    @DICE
    @given(bodies)
    def ask(case: schemathesis.Case) -> None:
        seen.add(fuzzed.ask(case).status_code)

    ask()
    assert fuzzed.expected(name, seen)
