"""Servers and clients that the tests share. Loading and compiling take longer than all requests together."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

import ramify
from ramify.server.settings import Limits, Settings
from tests.server import polyglot
from tests.server.serving import Served, serve
from tests.server.talking import Blocking, Talk

KEYS = ("the-first-key", "the-second-key")
NAME = "polyglot"


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of one vocabulary: writer, scorer (process reward), ranker (outcome reward)."""
    root = tmp_path_factory.mktemp("polyglot")
    polyglot.write(root / "writer")
    polyglot.write(root / "scorer", seed=1, head="Token")
    polyglot.write(root / "ranker", seed=2, head="Sequence")
    return root


@pytest.fixture(scope="session")
def settings(folders: Path) -> Settings:
    """Of a server of the writer, with both rewards; its caps are low enough to be run into."""
    known = {"scorer": folders / "scorer", "ranker": folders / "ranker"}
    limits = Limits(max_n=32, max_beam_width=8, max_prompts=8, max_tokens=512, max_body_bytes=1 << 16)
    return Settings(model=NAME, limits=limits, reward="scorer", rewards=tuple(known), known=known)


@pytest.fixture(scope="session")
def served(folders: Path, settings: Settings) -> Iterator[Served]:
    """The polyglot writer, in exact mode."""
    with serve(folders / "writer", settings) as server:
        yield server


@pytest.fixture(scope="session")
def locked(folders: Path, settings: Settings) -> Iterator[Served]:
    """The same behind two keys."""
    with serve(folders / "writer", Settings(model=NAME, limits=settings.limits, api_keys=KEYS)) as server:
        yield server


@pytest.fixture(scope="session")
def drafting() -> Iterator[Served]:
    """The built-in model, in exact mode, with its draft."""
    with serve("builtin", Settings(model="builtin", draft="builtin-draft")) as server:
        yield server


@pytest.fixture(scope="session")
def lm(folders: Path, settings: Settings) -> Iterator[ramify.LM]:
    """What `served` serves, in our own hands."""
    with ramify.load(folders / "writer", mode="exact", kv_gib=0.05, known=settings.known) as loaded:
        yield loaded


@pytest.fixture(scope="session", params=["sync", "async"])
def talk(request: pytest.FixtureRequest, served: Served) -> Iterator[Talk]:
    """The openai client, in both its ways."""
    options = {"base_url": f"{served.url}/v1", "api_key": "none", "max_retries": 0, "timeout": 60.0}
    if request.param == "sync":
        with openai.OpenAI(**options) as client:
            yield Talk(client, served.model)
    else:
        with asyncio.Runner() as runner:
            client = openai.AsyncOpenAI(**options)
            yield Talk(Blocking(client, runner), served.model)
            runner.run(client.close())
