"""The hot paths, plain ASGI: decode once, check, and answer when the event is safe. All else falls through to FastAPI.

openapi.py describes these paths, but FastAPI does not serve them: its validation would cost a second pass.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry

from services.ingest.accept.recent import Recent
from services.ingest.config.source import Source
from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.gathered import Answers
from services.ingest.http.access import Door
from services.ingest.http.body import ClientGone, Receive
from services.ingest.http.byte_budget import Room
from services.ingest.http.client_address import Proxies, sender
from services.ingest.http.exchange import Answer, Headers, Request, Route, problem_answer, refusal
from services.ingest.http.refusals import Refusals, reason_of
from shared import canary, log
from shared.clock import utc_now
from shared.events.identity import ABSENT
from shared.http.problems import FieldError, Problem

_LOG = log.get(__name__)
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
)
_USUAL_HEADERS: Final = b"authorization, content-type, idempotency-key, traceparent"
# A list of header names (RFC 9110, 5.6.2), not endless.
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
_HEADER_NAMES: Final = re.compile(rb"%b(?:[ \t]*,[ \t]*%b){0,63}" % (_TOKEN, _TOKEN))
_MAY_GO_ON: Final = "/hooks/"
_EXPOSED: Final = (b"access-control-expose-headers", b"retry-after, x-ratelimit-reset")


class HotPaths:
    """Dispatches POSTs by path; `fallback` is the FastAPI app."""

    def __init__(
        self,
        fallback: App,
        *,
        exact: Mapping[str, tuple[Route, str]],
        by_source: Mapping[str, Route],
        door: Door,
        proxies: Proxies,
        room: Room,
        refusals: Refusals,
        registry: CollectorRegistry,
        recent: Recent,
    ) -> None:
        """`exact`: path → route and its name; `by_source`: `/f` → route of `/f/<source>`."""
        self._fallback = fallback
        self._exact = exact
        self._by_source = by_source
        self._door = door
        self._proxies = proxies
        self._room = room
        self._refusals = refusals
        self._recent = recent
        self._answers = Answers(registry, (*exact, *by_source))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if method not in ("POST", "OPTIONS"):
            app = _only_posts if scope["path"] in self._exact else self._fallback
            await app(scope, receive, send)
            return
        label: str = scope["path"]
        route = self._exact.get(label)
        if route is None:
            if label.startswith(_MAY_GO_ON):  # /hooks/<source>/<secret>, and a secret may hold slashes
                name = label.removeprefix(_MAY_GO_ON).partition("/")[0]
                label = _MAY_GO_ON.rstrip("/")
            else:
                label, _, name = label.rpartition("/")
            handle = self._by_source.get(label)
            if handle is None:
                await self._elsewhere(scope, receive, send)
                return
            route = handle, name
        headers = dict(scope["headers"])
        if method == "OPTIONS":
            answer = _preflight(headers)
            await _respond(send, answer, self._cors(headers, None))
        else:
            try:
                answer, source = await self._answer(scope, receive, send, headers, route)
            except ClientGone:
                return
            if source is not None and source.name == canary.NAME:
                return
        self._answers.count(label, answer.status)

    async def _elsewhere(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Everything but the hot paths; a page's library may send preflights there, too."""
        headers = dict(scope["headers"])
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _respond(send, _preflight(headers), self._cors(headers, None))
            return
        await self._fallback(scope, receive, send)

    async def _answer(
        self,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        headers: Mapping[bytes, bytes],
        route: tuple[Route, str],
    ) -> tuple[Answer, Source | None]:
        """Take the request and answer it; whose it was. Raises ClientGone."""
        address = self._proxies.client(scope, headers)
        source: Source | None = None
        absent: list[str] = []
        ABSENT.set(absent)  # local to this request's task
        try:
            place = self._room.enter(sender(address))
            try:
                request = Request(scope, receive, headers, route[1], address, self._room, place)
                answer = await route[0](request)
            finally:
                self._room.leave(place)
                source = request.source
            if request.refused is not None:
                self._note(source, request.refused[0], request.refused[1])
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence
            problem = _problem_of(error)
            self._note(source, reason_of(problem), problem.errors)
            answer = problem_answer(problem)
        if absent:
            self._refusals.absent(None if source is None else source.name, absent)
        await _respond(send, answer, self._cors(headers, source))
        return answer, source

    def _note(self, source: Source | None, reason: str, wrong: Sequence[Wrong | FieldError]) -> None:
        name = None if source is None else source.name
        if name == canary.NAME:  # whoever sent it says why it was refused
            return
        self._refusals.note(name, reason, [each.at for each in wrong])
        self._recent.refused(name, utc_now())

    def _cors(self, headers: Mapping[bytes, bytes], source: Source | None) -> Headers:
        origin = headers.get(b"origin")
        if origin is None:
            return ()
        allowed = self._door.origins_for(source)
        if allowed and origin.decode("latin-1").lower() not in allowed:
            return ()
        return ((b"access-control-allow-origin", origin), (b"vary", b"origin"), _EXPOSED)


def _preflight(headers: Mapping[bytes, bytes]) -> Answer:
    asking = headers.get(b"webhook-request-origin")
    if asking is not None:  # CloudEvents' HTTP webhooks, section 4: may this sender deliver here?
        granted = ((b"allow", b"POST"), (b"webhook-allowed-origin", asking), (b"webhook-allowed-rate", b"*"))
        return Answer(200, b"", granted)
    return Answer(204, b"", (*_PREFLIGHT, (b"access-control-allow-headers", _let_through(headers))))


def _let_through(headers: Mapping[bytes, bytes]) -> bytes:
    """The headers that the browser asks for, whichever they are: tracing libraries of a page add their own.

    No header gives anybody more than the request itself, which no cookie ever authorises.
    """
    asked = headers.get(b"access-control-request-headers", b"").strip()
    return asked if _HEADER_NAMES.fullmatch(asked) else _USUAL_HEADERS


async def _only_posts(_scope: dict[str, Any], _receive: Receive, send: Send) -> None:
    """405 for a method that the path does not support."""
    problem = Problem(405, "This path only accepts POST", headers={"Allow": "POST, OPTIONS"})
    await _respond(send, problem_answer(problem), ())


async def _respond(send: Send, answer: Answer, more: Headers) -> None:
    headers = [*answer.headers, *more, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        return refusal(error.wrong)
    _LOG.error("request_failed", error=type(error).__name__, exc_info=error)  # no detail leaks
    return Problem(500, "Something went wrong here; it has been logged")
