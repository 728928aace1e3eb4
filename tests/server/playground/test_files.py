"""The page's files: these and no others, with headers that keep text from running."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ramify.server.playground_files import FOLDER, playground

APP = FastAPI()
APP.include_router(playground())


@pytest.fixture(scope="module")
def client():
    with TestClient(APP) as made:
        yield made


@pytest.mark.parametrize(
    "path", ["/", *(f"/playground/{file.name}" for file in FOLDER.iterdir() if file.suffix != ".html")]
)
def test_served(client, path):
    answer = client.get(path)
    assert answer.status_code == 200 and answer.content
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_types(client):
    kinds = {"/": "text/html", "/playground/app.js": "text/javascript", "/playground/run.css": "text/css"}
    for path, kind in kinds.items():
        assert client.get(path).headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    "name",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "%2fetc%2fpasswd", "app.js%00", "index.html", ""],
)
def test_nothing_else(client, name):
    assert client.get(f"/playground/{name}").status_code == 404


def test_offline():
    """No file names another host, and no markup carries script or style of its own."""
    for file in FOLDER.iterdir():
        text = file.read_text()
        hosts = set(re.findall(r"https?://([\w.]+)", text)) - {"www.w3.org", "html.spec.whatwg.org"}
        assert not hosts, file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_short():
    """Each script can be read in one go."""
    assert all(len(file.read_text().splitlines()) <= 250 for file in FOLDER.glob("*.js"))
