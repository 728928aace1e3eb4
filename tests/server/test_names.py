"""No path and no address in a request is opened, whatever field it stands in."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import polyglot
from tests.server.conftest import NAME
from tests.server.serving import Served

PATH = "/v1/completions"


LISTENERS: list[list[str]] = []  # an audit hook cannot be taken away again: one for all tests, mostly idle
AUDITED = ("open", "os", "socket", "urllib", "shutil", "glob", "subprocess")


@pytest.fixture(scope="module")
def hook() -> None:
    """Tell the listeners of every file, socket and process that Python opens."""

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if LISTENERS and event.split(".")[0] in AUDITED:
            LISTENERS[-1].append(f"{event} {args}")

    sys.addaudithook(hear)


@pytest.fixture
def touched(hook: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[str]]]:
    """What was done to the file system or the network, as far as it names something."""
    seen, stat = list[str](), os.stat

    def hear_stat(path: Any, *args: Any, **options: Any) -> os.stat_result:
        seen.append(f"stat {path}")
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", hear_stat)
    LISTENERS.append(seen)
    yield lambda name: [each for each in seen if name in each]
    LISTENERS.pop()


MARK = "somebodys-secret"
WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "model": lambda name: {"model": name},
    "model's suffix": lambda name: {"model": f"{NAME}:{name}"},
    "reward": lambda name: {"search": {"method": "best-of-n", "n": 2, "reward": name}},
    "likelihood": lambda name: {"search": {"method": "best-of-n", "n": 2, "reward": f"likelihood:{name}"}},
    "dpo": lambda name: {"search": {"method": "best-of-n", "n": 2, "reward": f"dpo:{name}"}},
    "judge": lambda name: {"search": {"method": "best-of-n", "n": 2, "reward": f"judge:{name}"}},
    "sum": lambda name: {"search": {"method": "best-of-n", "n": 2, "reward": f"0.5*{name}+logprob"}},
    "guide": lambda name: {"search": {"method": "sample", "guide": f'genarm(arms="{name}")'}},
    "method": lambda name: {"search": {"method": name}},
    "select": lambda name: {"search": {"method": "majority-vote", "n": 2, "select": name}},
    "each": lambda name: {"search": {"method": "majority-vote", "n": 2, "each": name}},
    "small": lambda name: {"search": {"method": "spec-reason", "reward": "scorer", "small": name}},
    "small in the method": lambda name: {"search": {"method": f'speculative-thinking(small="{name}")'}},
    "judge of a search": lambda name: {"search": {"method": "pairwise-rank", "n": 2, "judge": name}},
    "draft": lambda name: {"draft": name},
    "speculate": lambda name: {"speculate": name},
    "template": lambda name: {"chat_template": name},
}


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is really there, and that nobody was told of."""
    return polyglot.write(tmp_path_factory.mktemp("elsewhere") / MARK, seed=3, head="Token")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["path", "upwards", "file url", "url", "hub"])
def test_no_path_and_no_address_is_opened(
    way: str, kind: str, served: Served, secret: Path, touched: Callable[[str], list[str]]
) -> None:
    names = {
        "path": str(secret),
        "upwards": os.path.relpath(secret),
        "file url": secret.as_uri(),
        "url": f"http://169.254.169.254/{MARK}",
        "hub": f"{MARK}/model",
    }
    answer = served.post(PATH, {"model": NAME, "prompt": "hello", "max_tokens": 2} | WAYS[way](names[kind]))
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"]
    assert not touched(MARK)
    assert not touched("169.254")


@pytest.mark.parametrize("path", ["/v1/score", "/tokenize", "/detokenize"])
def test_nor_by_the_other_routes(path: str, served: Served, secret: Path, touched: Callable[[str], list[str]]) -> None:
    body = {"tokens": [5]} if path == "/detokenize" else {"prompt": "a"}
    body |= {"completion": "b"} if path == "/v1/score" else {}
    answer = served.post(path, body | {"model": str(secret)})
    assert answer.status_code in (400, 404)
    assert not touched(MARK)


def test_the_watch_for_files_sees_them(secret: Path, touched: Callable[[str], list[str]]) -> None:
    assert secret.is_dir() and (secret / "config.json").read_text()
    assert len(touched(MARK)) >= 2
