"""`ramify run --server`: the same command, elsewhere."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

import ramify
from ramify.api.remote import Remote
from ramify.cli.main import app
from tests.remote.fakes import ToyServer

RUN = ["run", "aba", "--server", "http://toy/v1", "--max-tokens", "6", "--seed", "1"]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyServer:
    """What the command connects to; `keys` are those that it was given."""
    toy = ToyServer(owner="ramify")

    def connect(url: str, model: str | None, api_key: str | None) -> Remote:
        toy.seen.append({"url": url, "key": api_key})
        return ramify.connect(url, model, api_key, transport=toy.transport())

    monkeypatch.setattr("ramify.cli.elsewhere.connect", connect)
    return toy


def test_one_text(toy: ToyServer) -> None:
    shown = CliRunner().invoke(app, RUN)
    assert shown.exit_code == 0, shown.output
    with ramify.connect("http://toy/v1", transport=toy.transport()) as remote:
        assert shown.stdout.strip() == remote.search("aba", max_tokens=6, seed=1).text
    assert "requests" in shown.stderr and "FLOP" not in shown.stderr


@pytest.mark.parametrize("show", ["tree", "all"])
def test_a_search_with_the_servers_reward(toy: ToyServer, show: str) -> None:
    call = [*RUN, "--method", "best-of-n", "-n", "3", "--reward", "server:length", "--show", show]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0 and "best" in shown.stdout, shown.output


def test_the_document(toy: ToyServer) -> None:
    shown = CliRunner().invoke(app, [*RUN, "--method", "best-of-n", "-n", "3", "--reward", "logprob", "--json"])
    document: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    assert len(document["rows"]) == 3 and document["ledger"]["server_requests"] > 0


def test_the_key_is_that_of_the_environment(toy: ToyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMIFY_API_KEY", "one two")
    assert CliRunner().invoke(app, RUN).exit_code == 0 and toy.seen[0]["key"] == "one"
    toy.seen.clear()
    assert CliRunner().invoke(app, [*RUN, "--api-key", "mine"]).exit_code == 0 and toy.seen[0]["key"] == "mine"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--draft", "builtin-draft"], "--draft"),
        (["--mode", "exact"], "--mode"),
        (["--kv-gib", "1"], "--kv-gib"),
        (["--model", "builtin-draft"], "--model"),
        (["--guide", "genarm"], "guide"),
        (["--method", "best-of-n"], "reward"),
    ],
)
def test_what_a_server_has_not_is_refused(toy: ToyServer, more: list[str], named: str) -> None:
    shown = CliRunner().invoke(app, [*RUN, *more])
    assert shown.exit_code != 0 and named in shown.output and toy.drawn < 100


def test_options_of_no_server(toy: ToyServer) -> None:
    shown = CliRunner().invoke(app, ["run", "aba", "--server-model", "x"])
    assert shown.exit_code != 0 and "--server" in shown.output
