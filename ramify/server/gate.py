"""The door: who may come in, how large a request may be, and what is noted of each.

Everything here happens before a route sees the request: the key (compared in constant time), the body's size and type,
the depth and the numbers of its JSON. Each request gets an id, one line in the log, and a count.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from ramify.server import logs
from ramify.server.errors import Refused, refused
from ramify.server.metrics import OTHER, Metrics
from ramify.server.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOME = ("127.0.0.1", "localhost", "::1")
OPEN = ("/healthz",)  # no key is asked for here
IDENTITY = re.compile(r"[A-Za-z0-9._-]{1,128}")
CHALLENGE = 'Bearer, Basic realm="ramify"'
REASONS = {400: "bad_request", 401: "unauthorised", 404: "not_found", 405: "not_found", 413: "too_large"}
REASONS |= {415: "bad_media_type", 429: "overload", 503: "closing"}
log = logging.getLogger("ramify.server")


class Gate:
    """Wraps the routes."""

    def __init__(self, app: App, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self._secret = secrets.token_bytes(32)
        self._keys = [key.encode() for key in settings.api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, headers = perf_counter(), {k.decode("latin-1").lower(): v for k, v in scope["headers"]}
        asked = headers.get("x-request-id", b"").decode("latin-1")
        identity = asked if IDENTITY.fullmatch(asked) else secrets.token_hex(12)
        noted: dict[str, Any] = {}
        scope["state"] = scope.get("state") or {}
        scope["state"] |= {"request_id": identity, "noted": noted}
        status = 500

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", identity.encode())]
            await send(message)

        with logs.request_id(identity):
            try:
                self._admit(scope, headers)
                await self.app(scope, await self._read(scope, receive, headers), answer)
            except Refused as error:
                await error.response()(scope, receive, answer)
            except Exception as error:  # nobody foresaw it: told in the log, not to the client
                log.exception("request failed")
                await refused(error).response()(scope, receive, answer)
            finally:
                self._note(scope, status, perf_counter() - began, noted)

    def _admit(self, scope: Scope, headers: dict[str, bytes]) -> None:
        """Check the key, and note whose part of the prefix cache the request may use."""
        if self.settings.local and not _is_home(headers.get("host", b"")):
            raise Refused(400, "host: this server is for this machine alone", param="host", code="foreign_host")
        key = _given(headers.get("authorization", b""))
        known = [hmac.compare_digest(key, mine) for mine in self._keys]  # all of them, however early one fits
        if self._keys and scope["path"] not in OPEN and not any(known):
            raise Refused(
                401, "an API key is needed: Authorization: Bearer KEY", headers={"WWW-Authenticate": CHALLENGE}
            )
        salt = hmac.new(self._secret, key, hashlib.sha256).hexdigest() if self._keys else ""
        scope["state"] |= {"salt": salt, "key": key.decode("utf-8", "replace") if any(known) else ""}

    async def _read(self, scope: Scope, receive: Receive, headers: dict[str, bytes]) -> Receive:
        """The body, checked; what comes behind it (that the client went away) is passed on."""
        most = self.settings.limits.max_body_bytes
        if headers.get("content-length", b"0").isdigit() and int(headers.get("content-length", b"0")) > most:
            raise Refused(413, f"the body has more than {most} bytes", code="body_too_large")
        body, more = bytearray(), scope["method"] not in ("GET", "HEAD", "OPTIONS")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise Refused(413, f"the body has more than {most} bytes", code="body_too_large")
        if scope["method"] == "POST":
            self._check(bytes(body), headers.get("content-type", b""))
        pending = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> MutableMapping[str, Any]:
            return pending.pop() if pending else await receive()

        return replay

    def _check(self, body: bytes, kind: bytes) -> None:
        if kind.split(b";")[0].strip().lower() != b"application/json":
            raise Refused(415, "Content-Type: application/json is expected", code="unsupported_media_type")
        depth = self.settings.limits.max_json_depth
        try:
            text = body.decode("utf-8")
            if _depth(text) > depth:
                raise Refused(400, f"the JSON is nested deeper than {depth}", code="too_deep")
            value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
            if "\\u" in text:
                json.dumps(value, ensure_ascii=False).encode()  # an escape may spell half a character: that is no text
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the body is no valid JSON: {error}", code="invalid_json") from None

    def _note(self, scope: Scope, status: int, seconds: float, noted: dict[str, Any]) -> None:
        route = getattr(scope.get("route"), "path", OTHER)
        self.metrics.request(route, scope["method"], status, seconds)
        if status >= 400 and status != 500 and status != 499:
            self.metrics.rejection(REASONS.get(status, OTHER))
        logs.access(route=route, verb=scope["method"], status=status, seconds=seconds, **noted)


def _is_home(host: bytes) -> bool:
    """Whether a Host header names this machine, whatever the port: a page of another name may not speak to it."""
    name = host.decode("latin-1").strip().lower()
    name = name.partition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]
    return name in HOME


def _given(header: bytes) -> bytes:
    """The key in an Authorization header: a bearer's, or the password that a browser asked for."""
    scheme, _, value = header.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return b""
    return b""


def _depth(text: str) -> int:
    """How deep JSON is nested, without reading it."""
    depth = most = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', text, re.DOTALL):
        sign = token[0]
        if sign in "[{":
            depth += 1
            most = max(most, depth)
        elif sign in "]}":
            depth -= 1
    return most


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if abs(value) == float("inf"):
        raise ValueError(f"{text} is too large a number")
    return value
