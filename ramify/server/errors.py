"""Exceptions to statuses and OpenAI's error object."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from ramify.core.errors import (
    BadInput,
    Cancelled,
    CheckpointError,
    Closing,
    OutOfPages,
    Overloaded,
    UnknownName,
)

RETRY_AFTER = "1"  # seconds
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "invalid_request_error",
}
KINDS |= {405: "invalid_request_error", 415: "invalid_request_error", 429: "rate_limit_error", 503: "server_error"}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.headers = status, param, code, dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error object."""
        kind = KINDS.get(self.status, "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """As an answer."""
        return JSONResponse(self.body, self.status, headers=self.headers)


def bad(param: str, message: str, code: str | None = None) -> Refused:
    """A field of the request is wrong."""
    return Refused(400, f"{param}: {message}", param=param, code=code)


def refused(error: BaseException) -> Refused:
    """What is said of any exception. Of those that nobody foresaw nothing is told but that they happened."""
    match error:
        case Refused():
            return error
        case UnknownName(field="model"):
            return Refused(404, str(error), param="model", code="model_not_found")
        case BadInput():
            field = error.pair[0] if hasattr(error, "pair") else error.field
            field = f"search.{error.name}" if isinstance(error, UnknownName) and field == "option" else field
            long = field in ("context", "prompt") and "tokens" in str(error)
            return Refused(400, str(error), param=_named(field), code="context_length_exceeded" if long else None)
        case OutOfPages():
            return Refused(400, str(error), code="out_of_pages")
        case Overloaded():
            return Refused(429, str(error), code="overloaded", headers={"Retry-After": RETRY_AFTER})
        case Closing():
            return Refused(503, str(error), code="closing", headers={"Retry-After": "10"})
        case Cancelled():
            return Refused(499, str(error), code="cancelled")
        case CheckpointError():
            return Refused(400, str(error), param="model")
        case RequestValidationError() | ValidationError():
            return _invalid(error)
        case HTTPException():
            return Refused(error.status_code, str(error.detail), headers=error.headers)
    return Refused(500, "the server failed; its log says how", code="internal_error")


def _named(field: str) -> str:
    """The request's name of a field: of "guide 'x'" and "logit_bias[3]" the first word."""
    return field.split(" ")[0].split("[")[0]


def _invalid(error: RequestValidationError | ValidationError) -> Refused:
    """The first thing that is wrong: of the branches of a union, what was least wrong is the caller's meaning."""
    first = max(error.errors(), key=lambda e: (e["type"] == "extra_forbidden", -len(e["loc"])))
    place = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid" or not place:
        return Refused(400, "the body is no valid JSON object", code="invalid_json")
    name = place[0] if len(place) < 2 or place[0] not in ("search", "stream_options") else ".".join(place[:2])
    if first["type"] == "extra_forbidden":
        return Refused(
            400, f"{name}: this field is not known here, and nothing is ignored", param=name, code="unknown_field"
        )
    if first["type"] == "missing":
        return Refused(400, f"{name}: this field is required", param=name)
    return Refused(400, f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}", param=name)
