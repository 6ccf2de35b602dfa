"""The hot paths, plain ASGI: decode once, check, and answer when the event is safe. All else falls through to FastAPI.

FastAPI describes these paths too (see openapi.py) but does not run them: its validation would be paid for twice.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter

from services.ingest.config.sources import Source
from services.ingest.domain.fact import Refused
from services.ingest.http.access import Door
from services.ingest.http.body import ClientGone, Receive
from services.ingest.http.byte_budget import Room
from services.ingest.http.client_address import Proxies, sender
from services.ingest.http.exchange import Answer, Headers, Request, Route, problem_answer, refusal
from shared import log
from shared.http.problems import Problem

_LOG = log.get(__name__)
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, traceparent"),
    (b"access-control-max-age", b"86400"),
)
_EXPOSED: Final = (b"access-control-expose-headers", b"retry-after, x-ratelimit-reset")
_REFUSED: Final = 400
_WHY: Final[Mapping[int, str]] = {
    400: "unreadable", 401: "no_key", 403: "not_allowed", 404: "unknown", 409: "conflict", 413: "too_large",
    415: "media_type", 422: "invalid", 429: "too_many", 503: "unavailable",
}  # fmt: skip


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
        registry: CollectorRegistry,
    ) -> None:
        """`exact`: path → route and its name; `by_source`: `/f` → route of `/f/<source>`."""
        self._fallback = fallback
        self._exact = exact
        self._by_source = by_source
        self._door = door
        self._proxies = proxies
        self._room = room
        self._answers = Counter(
            "firsthour_ingest_answers", "Answers of the hot paths.", ["path", "status"], registry=registry
        )
        self._refused = Counter(
            "firsthour_ingest_refusals",
            "Requests that were not taken, by source (`none`: it is not known) and why.",
            ["source", "reason"],
            registry=registry,
        )
        self._counters: dict[tuple[str, int], Counter] = {}  # looking a label up costs five times the counting

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        method = scope.get("method")
        if method not in ("POST", "OPTIONS"):
            app = _only_posts if scope["path"] in self._exact else self._fallback
            await app(scope, receive, send)
            return
        label: str = scope["path"]
        route = self._exact.get(label)
        if route is None:
            label, _, name = label.rpartition("/")
            handle = self._by_source.get(label)
            if handle is None:
                await self._fallback(scope, receive, send)
                return
            route = handle, name
        headers = dict(scope["headers"])
        if method == "OPTIONS":
            answer = _preflight(headers)
            await _respond(send, answer, self._cors(headers, None))
        else:
            try:
                answer = await self._answer(scope, receive, send, headers, route)
            except ClientGone:
                return
        counter = self._counters.get((label, answer.status))
        if counter is None:
            counter = self._counters[label, answer.status] = self._answers.labels(path=label, status=str(answer.status))
        counter.inc()

    async def _answer(
        self,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        headers: Mapping[bytes, bytes],
        route: tuple[Route, str],
    ) -> Answer:
        """Take the request and answer it. Raises ClientGone."""
        address = self._proxies.client(scope, headers)
        source = None
        try:
            place = self._room.enter(sender(address))
            try:
                request = Request(scope, receive, headers, route[1], address, self._room, place)
                answer = await route[0](request)
            finally:
                self._room.leave(place)
                source = request.source
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence
            answer = _answer_to(error)
        if answer.status >= _REFUSED:
            self._refused.labels("none" if source is None else source.name, _WHY.get(answer.status, "fault")).inc()
        await _respond(send, answer, self._cors(headers, source))
        return answer

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
    return Answer(204, b"", _PREFLIGHT)


async def _only_posts(_scope: dict[str, Any], _receive: Receive, send: Send) -> None:
    """405 for a method that the path does not know."""
    problem = Problem(405, "This path takes POST alone", headers={"Allow": "POST, OPTIONS"})
    await _respond(send, problem_answer(problem), ())


async def _respond(send: Send, answer: Answer, more: Headers) -> None:
    headers = [*answer.headers, *more, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _answer_to(error: Exception) -> Answer:
    if isinstance(error, Problem):
        return problem_answer(error)
    if isinstance(error, Refused):
        return problem_answer(refusal(error.wrong))
    _LOG.error("request_failed", error=type(error).__name__, exc_info=error)  # and no detail leaks
    return problem_answer(Problem(500, "Something went wrong here; it has been logged"))
