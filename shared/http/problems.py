"""Error responses: RFC 9457 problem documents that name every wrong field and leak nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared import log

CONTENT_TYPE: Final = "application/problem+json"
_LOG = log.get(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON pointer to it, and what is wrong (never its value)."""

    at: str
    problem: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An error response. `detail` says what to do about it."""

    status: int
    title: str
    detail: str | None = None
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set the exception's text."""
        super().__init__(self.title)


AWAY: Final = Problem(
    503, "The database does not answer", "Nothing was done. Try again in a moment.", headers={"Retry-After": "5"}
)


def encode_problem(problem: Problem) -> bytes:
    """The problem document as JSON bytes."""
    document: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    if problem.detail:
        document["detail"] = problem.detail
    if problem.errors:
        document["errors"] = [{"at": error.at, "problem": error.problem} for error in problem.errors]
    return msgspec.json.encode(document)


PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "problem"],
                "properties": {
                    "at": {"type": "string", "description": "JSON pointer to the wrong field"},
                    "problem": {"type": "string"},
                },
            },
        },
    },
}


def install_problems(
    app: FastAPI,
    *,
    transient: Callable[[BaseException], bool] = lambda _error: False,
    dependency_errors: Sequence[type[Exception]] = (),
) -> None:
    """Render every error of the app as a problem document.

    `dependency_errors` become 503 if `transient` says that a retry may help: a dependency is down.
    """

    async def problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [FieldError("/" + "/".join(map(str, found["loc"])), found["msg"]) for found in error.errors()]
        return problem_response(Problem(422, "The request has wrong fields", errors=errors))

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = HTTPStatus(error.status_code).phrase
        return problem_response(Problem(error.status_code, title, headers=dict(error.headers or {})))

    async def unexpected(request: Request, error: Exception) -> Response:
        _LOG.error("request_failed", method=request.method, error=type(error).__name__, exc_info=error)
        return problem_response(Problem(500, "Something went wrong here; it has been logged"))

    async def away(request: Request, error: Exception) -> Response:
        if not transient(error):
            raise error  # to `unexpected`
        _LOG.warning("dependency_away", method=request.method, reason=log.reason(error))
        return problem_response(AWAY)

    for kind in dependency_errors:
        app.add_exception_handler(kind, away)
    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def problem_response(problem: Problem) -> Response:
    """The problem as a response."""
    return Response(encode_problem(problem), problem.status, headers=dict(problem.headers), media_type=CONTENT_TYPE)
