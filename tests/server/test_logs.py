"""The log: one line per event with the request's id, for machines and for people, and nothing of what was said."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import uvicorn

from ramify.core.errors import BadInput, OutOfPages
from ramify.server import logs

NAMES = (None, "ramify", "uvicorn", "uvicorn.error", "uvicorn.access")
SECRET = "my diary says: 7 * 8"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_requests_at_once_keep_their_ids_apart() -> None:
    stream = io.StringIO()
    logs.setup("json", stream=stream)

    async def answer(name: str, pauses: int) -> None:
        with logs.request_id(name):
            for _ in range(pauses):
                await asyncio.sleep(0)
            seconds = pauses / 1000
            logs.access(route="/v1/completions", verb="POST", status=200, seconds=seconds, prompt_tokens=pauses)

    async def all_at_once() -> None:
        await asyncio.gather(*(answer(f"r{i}", 9 - i) for i in range(8)))

    asyncio.run(all_at_once())
    said = lines(stream)
    assert {line["request_id"]: line["prompt_tokens"] for line in said} == {f"r{i}": 9 - i for i in range(8)}
    assert said[0]["message"] == "request"
    assert {"time", "level", "route", "verb", "status", "seconds"} <= said[0].keys()
    assert "method" not in said[0]
    logs.access(route="/healthz", verb="GET", status=200, seconds=0.0)
    assert "request_id" not in lines(stream)[-1]


@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("prompts", [False, True])
def test_what_was_said_is_told_only_if_it_may_be(format: logs.Format, prompts: bool) -> None:
    stream = io.StringIO()
    logs.setup(format, prompts=prompts, stream=stream)
    logs.access(route="/v1/completions", verb="POST", status=200, seconds=0.1, method="beam", prompt=SECRET, text="56")
    log = logging.getLogger("ramify.server.app")
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(f"cannot answer {SECRET}") from error
    except RuntimeError:
        log.exception("a request failed")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    said = stream.getvalue()
    assert (SECRET in said) == prompts
    assert "RuntimeError" in said and "KeyError" in said and "test_logs.py" in said
    assert "method=beam" in said or '"method": "beam"' in said


def test_messages_that_quote_nobody_are_kept() -> None:
    stream = io.StringIO()
    logs.setup("json", stream=stream)
    try:
        raise OutOfPages(12, 3, 64)
    except OutOfPages:
        logging.getLogger("ramify.engine").exception("a step failed")
    assert "12 pages needed, 3 free" in str(lines(stream)[0]["exception"])


def test_a_terminal_gets_text_and_a_pipe_json() -> None:
    for stream, is_json in ((Terminal(), False), (io.StringIO(), True)):
        logs.setup("auto", stream=stream)
        logs.access(route="/v1/models", verb="GET", status=200, seconds=0.0123)
        assert stream.getvalue().startswith("{") == is_json
        assert ("seconds=0.012" in stream.getvalue()) != is_json


@pytest.mark.parametrize("format", ["json", "text"])
def test_nobody_forges_a_line_or_speaks_to_the_terminal(format: logs.Format) -> None:
    stream = io.StringIO()
    logs.setup(format, stream=stream)
    evil = 'x\n{"level": "info"}\x1b[2J\u2028y'
    with logs.request_id(evil):
        logs.access(route="/", verb=evil, status=404, seconds=0.0)
        logging.getLogger("uvicorn.error").warning("Invalid request: %s", evil)
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


def test_uvicorn_speaks_through_it_and_its_access_lines_are_silent() -> None:
    stream = io.StringIO()
    logs.setup("json", stream=stream)
    uvicorn.Config(app=lambda: None, log_config=None, access_log=False)
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("uvicorn.access").critical("127.0.0.1 - GET /?secret")
    assert [line["message"] for line in lines(stream)] == ["Application startup complete."]


@pytest.mark.parametrize("prompts", [False, True])
def test_other_packages_speak_in_the_same_form(prompts: bool) -> None:
    stream = io.StringIO()
    logs.setup("json", "debug", prompts=prompts, stream=stream)
    log = logging.getLogger("asyncio")
    log.info("Using selector")
    log.warning("socket.send() raised exception.")
    log.error("Task was destroyed\ntask: %s", SECRET)
    said = lines(stream)
    assert [line["logger"] for line in said] == ["asyncio", "asyncio"]
    assert said[0]["message"] == "socket.send() raised exception."
    assert (SECRET in stream.getvalue()) == prompts


def test_levels_and_failures() -> None:
    stream = io.StringIO()
    logs.setup("json", "warning", stream=stream)
    logs.access(route="/v1/models", verb="GET", status=200, seconds=0.0)
    logs.access(route="/v1/models", verb="GET", status=500, seconds=0.0)
    assert [(line["level"], line["status"]) for line in lines(stream)] == [("warning", 500)]


def test_setup_again_does_not_double_lines() -> None:
    stream = io.StringIO()
    logs.setup("json", stream=stream)
    logs.setup("json", stream=stream)
    logs.access(route="/v1/models", verb="GET", status=200, seconds=0.0)
    assert len(lines(stream)) == 1


def test_unknown_words_are_refused() -> None:
    with pytest.raises(BadInput, match="log_format"):
        logs.setup("xml")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="log_level"):
        logs.setup(level="loud")
