"""The hot paths, plain ASGI: decode once, check, and answer when the event is safe. All else falls through to FastAPI.

FastAPI describes these paths too (see openapi.py) but does not run them: its validation would be paid for twice.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, Counter

from services.ingest import pages
from services.ingest.body import ClientGone, Receive, decode_json, decode_object, inflate, read_body
from services.ingest.domain.checks import Fields, Wrong
from services.ingest.domain.cloud_events import from_headers, read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.form import caught, parse_form, read_form
from services.ingest.domain.plain import read_lead, read_purchase
from services.ingest.domain.segment import TYPES, read_segment
from services.ingest.intake import Intake
from services.ingest.settings import IngestSettings
from services.ingest.sources import Intake as IntakeKind
from services.ingest.sources import Source, Sources
from shared import log
from shared.clock import new_id, utc_now
from shared.http.problems import CONTENT_TYPE, FieldError, Problem, encode_problem

_LOG = log.get(__name__)
Headers = Sequence[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

_JSON: Final = (b"content-type", b"application/json")
_SEGMENT_DONE: Final = b'{"success":true}'  # their SDKs insist on exactly 200 and this
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, traceparent"),
    (b"access-control-max-age", b"86400"),
)
_ONE_LETTER: Final = {f"/v1/{name[0]}": name for name in (*TYPES, "batch") if name != "alias"} | {"/v1/a": "alias"}


class Answer(msgspec.Struct):
    """A response before it is sent."""

    status: int
    body: bytes = b""
    headers: Headers = (_JSON,)


class Request:
    """What a handler needs of a request."""

    __slots__ = ("body", "headers", "name", "source")

    def __init__(self, headers: Mapping[bytes, bytes], name: str) -> None:
        self.headers = headers
        self.name = name  # the source's name in the path, or the Segment type
        self.body = b""
        self.source: Source | None = None


class HotPaths:
    """Dispatches by method and path; `fallback` is the FastAPI app."""

    def __init__(
        self, fallback: App, *, sources: Sources, intake: Intake, settings: IngestSettings, registry: CollectorRegistry
    ) -> None:
        """Nothing is shared between requests but the count of those at work."""
        self._fallback = fallback
        self._sources = sources
        self._intake = intake
        self._max_body = settings.ingest_max_body
        self._max_batch = settings.ingest_max_batch
        self._max_in_flight = settings.ingest_max_in_flight
        self._in_flight = 0
        self._answers = Counter(
            "firsthour_ingest_answers", "Answers of the hot paths.", ["path", "status"], registry=registry
        )
        self._robots = Counter("firsthour_ingest_honeypot", "Forms that only a robot fills in so.", registry=registry)
        segment = {f"/v1/{name}": name for name in (*TYPES, "batch", "import")} | _ONE_LETTER
        self._routes: dict[str, tuple[Callable[[Request, Receive], Awaitable[Answer]], str]] = {
            "/v1/leads": (self._lead, ""),
            "/v1/purchases": (self._purchase, ""),
            "/v1/events": (self._cloud_events, ""),
            **{
                path: (self._segment_batch if name in ("batch", "import") else self._segment_one, name)
                for path, name in segment.items()
            },
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        path: str = scope.get("path", "")
        route = self._routes.get(path) or (path.startswith("/f/") and (self._form, path[3:])) or None
        method = scope.get("method")
        if route is None or method not in ("POST", "OPTIONS"):
            await self._fallback(scope, receive, send)
            return
        handle, name = route
        request = Request(dict(scope["headers"]), name)
        label = "/f/" if path.startswith("/f/") else path
        try:
            answer = _preflight() if method == "OPTIONS" else await self._bounded(handle, request, receive)
        except ClientGone:
            return
        await _respond(send, answer, self._cors(request))
        self._answers.labels(path=label, status=str(answer.status)).inc()

    async def _bounded(
        self, handle: Callable[[Request, Receive], Awaitable[Answer]], request: Request, receive: Receive
    ) -> Answer:
        if self._in_flight >= self._max_in_flight:
            busy = Problem(503, "Too many requests at once", "Send it again in a moment.", headers={"Retry-After": "1"})
            return _problem(busy)
        self._in_flight += 1
        try:
            return await handle(request, receive)
        except Problem as problem:
            return _problem(problem)
        except Refused as refused:
            return _problem(_refusal(refused.wrong))
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: logged, and no detail leaks
            _LOG.exception("request_failed", error=type(error).__name__)
            return _problem(Problem(500, "Something went wrong here; it has been logged"))
        finally:
            self._in_flight -= 1

    async def _lead(self, request: Request, receive: Receive) -> Answer:
        return await self._plain(request, receive, "lead", read_lead)

    async def _purchase(self, request: Request, receive: Receive) -> Answer:
        return await self._plain(request, receive, "purchase", read_purchase)

    async def _plain(
        self, request: Request, receive: Receive, kind: IntakeKind, read: Callable[[Mapping[str, Any]], Fact]
    ) -> Answer:
        headers = request.headers
        source = self._authorised(headers, kind)
        _must_be_json(headers)
        data = decode_object(await self._body(request, receive, self._max_body))
        fact = read(data)
        return await self._accept(source, fact, headers)

    async def _accept(self, source: Source, fact: Fact, headers: Mapping[bytes, bytes]) -> Answer:
        sender_id = headers.get(b"idempotency-key")
        if sender_id is not None:
            fact = _with_sender_id(fact, sender_id)
        (identifier,) = await self._intake.accept(source, (fact,), headers.get(b"traceparent"))
        return Answer(202, b'{"id":"%s","status":"accepted"}' % str(identifier).encode())

    async def _cloud_events(self, request: Request, receive: Receive) -> Answer:
        headers = request.headers
        source = self._authorised(headers, "event")
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        batched = content_type == b"application/cloudevents-batch+json"
        body = decode_json(await self._body(request, receive, self._max_batch if batched else self._max_body))
        if batched:
            return await self._cloud_event_batch(source, body, headers)
        if b"ce-specversion" in headers:
            body = from_headers(headers, body)
        elif content_type not in (b"application/cloudevents+json", b"application/json"):
            raise Problem(415, "This content type is not taken", "Send application/cloudevents+json, or ce- headers.")
        if not isinstance(body, dict):
            raise Problem(400, "The body is not a CloudEvent")
        return await self._accept(source, read_cloud_event(body), headers)

    async def _cloud_event_batch(self, source: Source, batch: object, headers: Mapping[bytes, bytes]) -> Answer:
        if not isinstance(batch, list):
            raise Problem(400, "The body is not a list of CloudEvents")
        facts: list[Fact] = []
        wrong: list[Wrong] = []
        for index, event in enumerate(batch):
            try:
                if not isinstance(event, dict):
                    raise Refused([Wrong(f"/{index}", "must be an object")])
                facts.append(read_cloud_event(event, f"/{index}"))
            except Refused as refused:
                wrong += refused.wrong
        if not facts and wrong:
            raise Refused(wrong)
        ids = await self._intake.accept(source, facts, headers.get(b"traceparent")) if facts else []
        named = [{"at": each.at, "problem": each.problem} for each in wrong]
        answer = {"ids": ids, "status": "accepted", **({"errors": named} if named else {})}
        return Answer(202, msgspec.json.encode(answer))

    async def _form(self, request: Request, receive: Receive) -> Answer:
        source = self._sources.by_name.get(request.name)
        if source is None or not source.may("form"):
            raise Problem(404, "There is no such form", "The name in the path is that of a source of kind form.")
        request.source = source
        headers = request.headers
        origin = headers.get(b"origin")
        if origin is not None and source.origins and origin.decode("latin-1").lower() not in source.origins:
            raise Problem(403, "This page may not use this form", "Add its origin to the source's `origins`.")
        wants_json = b"application/json" in headers.get(b"accept", b"")
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        body = await self._body(request, receive, self._max_body)
        form: Mapping[str, object]
        try:
            if content_type == b"application/x-www-form-urlencoded":
                form = parse_form(body)
            elif content_type == b"application/json":
                form, wants_json = decode_object(body), True
            else:
                raise Problem(415, "This content type is not taken", "Send the form url-encoded, or JSON.")
            if caught(form):  # looks successful, so that the robot learns nothing
                self._robots.inc()
                answer = Answer(202, b'{"id":"%s","status":"accepted"}' % str(new_id()).encode())
            else:
                answer = await self._accept(source, read_form(form, source.fields, name=source.name), headers)
        except Refused as refused:
            if wants_json:
                raise
            return Answer(422, pages.wrong(refused.wrong), pages.HEADERS)
        if wants_json:
            return answer
        if source.redirect is not None:
            return Answer(303, b"", ((b"location", source.redirect.encode()),))
        return Answer(200, pages.thanks(), pages.HEADERS)

    async def _segment_one(self, request: Request, receive: Receive) -> Answer:
        data = decode_object(await self._body(request, receive, self._max_body))
        source = self._authorised(request.headers, "segment", data.get("writeKey"))
        fact = read_segment(data, request.name, now=utc_now())
        await self._intake.accept(source, (fact,), request.headers.get(b"traceparent"))
        return Answer(200, _SEGMENT_DONE)

    async def _segment_batch(self, request: Request, receive: Receive) -> Answer:
        data = decode_object(await self._body(request, receive, self._max_batch))
        source = self._authorised(request.headers, "segment", data.get("writeKey"))
        batch = data.get("batch")
        if not isinstance(batch, list):
            raise Refused([Wrong("/batch", "must be a list of messages")])
        now, fields = utc_now(), Fields(data)
        sent = fields.time("sentAt")
        facts: list[Fact] = []
        wrong: list[Wrong] = list(fields.wrong)
        for index, message in enumerate(batch):
            at = f"/batch/{index}"
            try:
                if not isinstance(message, dict) or message.get("type") not in TYPES:
                    raise Refused([Wrong(f"{at}/type", f"must be one of {', '.join(TYPES)}")])
                facts.append(read_segment(message, message["type"], at=at, sent=sent, now=now))
            except Refused as refused:
                wrong += refused.wrong
        if facts:
            await self._intake.accept(source, facts, request.headers.get(b"traceparent"))
        if not wrong:
            return Answer(200, _SEGMENT_DONE)
        # Their SDKs drop the whole batch on a 400, the good with the bad: so 200, and the bad ones named.
        _LOG.info("batch_refused_in_part", source=source.name, refused=len(batch) - len(facts), taken=len(facts))
        named = [{"index": _index(each.at), "at": each.at, "problem": each.problem} for each in wrong]
        return Answer(200, msgspec.json.encode({"success": True, "errors": named}))

    async def _body(self, request: Request, receive: Receive, largest: int) -> bytes:
        headers = request.headers
        body = await read_body(receive, declared=headers.get(b"content-length"), largest=largest)
        return inflate(body, headers.get(b"content-encoding"), largest=largest)

    def _authorised(self, headers: Mapping[bytes, bytes], kind: IntakeKind, in_body: object = None) -> Source:
        """The source whose write key came along. Raises Problem 401 or 403."""
        key = _key(headers.get(b"authorization")) or (in_body.encode() if isinstance(in_body, str) else None)
        if key is None:
            raise Problem(
                401,
                "A write key is needed",
                "Send it as `Authorization: Bearer <key>`, or as the user name of HTTP Basic.",
                headers={"WWW-Authenticate": 'Basic realm="firsthour", Bearer'},
            )
        source = self._sources.by_key(key)
        if source is None:
            raise Problem(
                401, "This write key is not known", headers={"WWW-Authenticate": 'Basic realm="firsthour", Bearer'}
            )
        if not source.may(kind):
            raise Problem(403, f"A source of kind {source.kind} may not send this", "See the kinds in sources.yaml.")
        return source

    def _cors(self, request: Request) -> Headers:
        origin = request.headers.get(b"origin")
        if origin is None:
            return ()
        allowed = request.source.origins if request.source is not None else self._sources.origins
        if allowed and origin.decode("latin-1").lower() not in allowed:
            return ()
        return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))


def _key(authorization: bytes | None) -> bytes | None:
    if authorization is None:
        return None
    scheme, _, rest = authorization.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return rest.strip() or None
    if scheme == b"basic":
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[0] or None
        except binascii.Error:
            return None
    return None


def _must_be_json(headers: Mapping[bytes, bytes]) -> None:
    content_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if content_type != b"application/json" and not content_type.endswith(b"+json"):
        raise Problem(415, "This content type is not taken", "Send JSON, with `Content-Type: application/json`.")


def _with_sender_id(fact: Fact, sender_id: bytes) -> Fact:
    text = sender_id.decode("latin-1").strip()
    if not 0 < len(text) <= 256:  # noqa: PLR2004 - as long as a message_id may be
        raise Problem(400, "The Idempotency-Key must have 1 to 256 characters")
    return Fact(fact.type, fact.identity, fact.data, fact.time, text)


def _refusal(wrong: Sequence[Wrong]) -> Problem:
    return Problem(
        422, "The event has wrong fields", errors=[FieldError(each.at or "/", each.problem) for each in wrong]
    )


def _index(at: str) -> int | None:
    parts = at.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None  # noqa: PLR2004 - /batch/<index>


def _problem(problem: Problem) -> Answer:
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    if problem.status >= 400:  # noqa: PLR2004 - HTTP's own number
        _LOG.info("refused", status=problem.status, title=problem.title, fields=[error.at for error in problem.errors])
    return Answer(problem.status, encode_problem(problem), headers)


def _preflight() -> Answer:
    return Answer(204, b"", _PREFLIGHT)


async def _respond(send: Send, answer: Answer, more: Headers) -> None:
    headers = [*answer.headers, *more, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
