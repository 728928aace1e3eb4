"""The playground's files, and the headers that keep what models write from becoming anything but text.

The files are read once, by name, when the router is made: no part of a request's address is ever opened as a path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response

FOLDER = Path(__file__).parent / "playground"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
INDEX = "index.html"


@dataclass(frozen=True)
class PageFile:
    """A file of the page: its bytes and its media type."""

    body: bytes
    media_type: str


def page_files() -> Mapping[str, PageFile]:
    """The files that are served, by name. Nothing else is."""
    found = sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)
    return {path.name: PageFile(path.read_bytes(), TYPES[path.suffix]) for path in found}


def playground() -> APIRouter:
    """`/` and `/playground/{file}`. Any other name is a 404."""
    files = page_files()
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def index() -> Response:
        return _answer(files[INDEX])

    @router.get("/playground/{name}")
    def file(name: str) -> Response:
        if name not in files or name == INDEX:  # the page's own addresses are relative to `/`
            raise HTTPException(404, f"the playground has no file {name!r}")
        return _answer(files[name])

    return router


def _answer(file: PageFile) -> Response:
    return Response(file.body, media_type=file.media_type, headers=HEADERS)
