"""What a server says while it runs: one JSON object a line, or text for people, each with its request's id.

No line holds what a client wrote or a model answered unless `prompts` is set (`--log-prompts`). Without it an exception
is told by its type and place alone, as its message may quote either, and of what other packages say the first line.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from ramify.core.errors import BadInput, BooksUnbalanced, BrokenNumbers, OutOfPages

Format = Literal["auto", "json", "text"]
FORMATS: tuple[Format, ...] = ("auto", "json", "text")
OWN = ("ramify", "uvicorn")  # whose messages are ours, or known to quote nobody
LEVELS = ("debug", "info", "warning", "error", "critical")
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that this task or thread works for."""

_HARMLESS = (OSError, MemoryError, OutOfPages, BooksUnbalanced, BrokenNumbers)  # their messages quote nobody
_log = logging.getLogger("ramify.server")


@contextmanager
def request_id(value: str) -> Iterator[None]:
    """Lines logged inside carry this id."""
    token = REQUEST_ID.set(value)
    try:
        yield
    finally:
        REQUEST_ID.reset(token)


def setup(format: Format = "auto", level: str = "info", *, prompts: bool = False, stream: TextIO | None = None) -> None:
    """Send every line to `stream` (standard error): ramify's and uvicorn's from `level` on, others' warnings.

    Start uvicorn with `log_config=None, access_log=False`, so that it leaves this as it is.

    Args:
        format: "auto" is text on a terminal, else JSON.
        prompts: whether lines may hold what clients wrote and models answered.

    Raises:
        BadInput: there is no such format or level.
    """
    if format not in FORMATS:
        raise BadInput("log_format", f"{format!r}; use {', '.join(FORMATS)}")
    if level not in LEVELS:
        raise BadInput("log_level", f"{level!r}; use {', '.join(LEVELS)}")
    stream = stream or sys.stderr
    as_text = format == "text" or (format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Text(prompts) if as_text else _Json(prompts))
    logging.basicConfig(handlers=[handler], force=True, level=max(logging.WARNING, logging.getLevelName(level.upper())))
    for name in (*OWN, "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(level.upper() if name in OWN else logging.CRITICAL + 1)


def access(
    *,
    route: str,
    verb: str,
    status: int,
    seconds: float,
    method: str | None = None,
    prompt_tokens: int | None = None,
    generated_tokens: int | None = None,
    **more: Any,
) -> None:
    """The one line of a request. What is None is left out.

    Args:
        route: the route's pattern, never the path as it was sent.
        method: of the search, if it was one.
        **more: further fields; "prompt" and "text" are written only where `setup` was told `prompts`.
    """
    told = {"route": route, "verb": verb, "status": status, "seconds": round(seconds, 6), "method": method}
    told |= {"prompt_tokens": prompt_tokens, "generated_tokens": generated_tokens} | more
    level = logging.WARNING if status >= 500 else logging.INFO
    _log.log(level, "request", extra={"fields": {key: value for key, value in told.items() if value is not None}})


class _Formatter(logging.Formatter):
    def __init__(self, prompts: bool) -> None:
        super().__init__()
        self.prompts = prompts

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line says, in order."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
        }
        if (identity := REQUEST_ID.get()) is not None:
            told["request_id"] = identity
        given: Mapping[str, Any] = getattr(record, "fields", {})
        told |= {key: value for key, value in given.items() if self.prompts or key not in ("prompt", "text")}
        if record.exc_info and record.exc_info[1] is not None:
            told["exception"] = self.exception(record.exc_info[1])
        return told

    def message(self, record: logging.LogRecord) -> str:
        """What is said; of a package that may quote anything, no more than what it does."""
        if self.prompts or record.name.partition(".")[0] in OWN:
            return record.getMessage().strip()
        return str(record.msg).strip().partition("\n")[0]

    def exception(self, error: BaseException) -> str:
        """A traceback, its message only where that quotes nobody."""
        if self.prompts:
            return "".join(traceback.format_exception(error)).rstrip()
        said, seen = [], set[int]()
        link: BaseException | None = error
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            message = str(link) if isinstance(link, _HARMLESS) else "(message left out; see --log-prompts)"
            frames = "".join(traceback.format_tb(link.__traceback__))
            said.append(f"{frames}{type(link).__module__}.{type(link).__qualname__}: {message}")
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        return "\n".join(reversed(said))


class _Json(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str)


class _Text(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = self.fields(record)
        stamp = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        head = f"{stamp} {told['level']:<8} {told['message']}"
        trace = told.pop("exception", None)
        rest = [f"{key}={_plain(value)}" for key, value in list(told.items())[3:] if key != "message"]
        line = " ".join([_plain_line(head), *rest])
        return line if trace is None else f"{line}\n{trace}"


def _plain(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


def _plain_line(text: str) -> str:
    """A client must not be able to begin a line of its own, or to speak to the terminal."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
