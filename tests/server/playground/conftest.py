"""A browser, and servers for it to look at: one that is made up, and the real one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.playground.desk import Desk
from tests.server.playground.fake import Fake

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")  # a running playwright keeps others of this process from running event loops
def browser() -> Iterator[Any]:
    """Chromium: the system's, or the one that playwright installed."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), own if Path(own).exists() else None)
        if found is None:
            pytest.skip("no Chromium here")
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Makes a desk at an address. A page that complains in its console, of its policy too, fails the test."""
    expect, opened = pytest.importorskip("playwright.sync_api").expect, list[tuple[Any, Desk]]()

    def make(url: str, **options: Any) -> Desk:
        usual = {"viewport": {"width": 1280, "height": 900}, "permissions": ["clipboard-read", "clipboard-write"]}
        context = browser.new_context(**usual | options)
        opened.append((context, Desk(context.new_page(), url, expect)))
        return opened[-1][1]

    yield make
    for context, desk in opened:
        context.close()
        assert desk.complaints == []


@pytest.fixture
def fake() -> Iterator[Fake]:
    """The made-up server."""
    with Fake() as server:
        yield server


@pytest.fixture
def desk(visit: Callable[..., Any], fake: Fake) -> Any:
    """The page of the made-up server."""
    return visit(fake.url).open()


@pytest.fixture(params=["fake", "real"])
def anywhere(request: pytest.FixtureRequest, visit: Callable[..., Any]) -> Any:
    """The page of either server, with a seed: what the real one answers is the same at every visit."""
    url = request.getfixturevalue("fake").url if request.param == "fake" else request.getfixturevalue("drafting").url
    desk = visit(f"{url}/").open()
    desk.field("seed").fill("1")
    return desk
