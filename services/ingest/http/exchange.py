"""A request and its response as the routes see them, without the cost of a framework."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact
from services.ingest.domain.likelihood import Visitor
from services.ingest.http.body import ClientGone, Receive, inflate, too_large
from services.ingest.http.byte_budget import Place, Room
from shared.events.identity import LONGEST_ID
from shared.http.problems import CONTENT_TYPE, FieldError, Problem, encode_problem
from shared.http.protocol import WHOLE

if TYPE_CHECKING:
    from services.ingest.config.source import Source

Headers = Sequence[tuple[bytes, bytes]]
JSON: Final = (b"content-type", b"application/json")


class Answer(msgspec.Struct):
    """A response before it is sent."""

    status: int
    body: bytes = b""
    headers: Headers = (JSON,)


class Request:
    """What a route needs of a request. `name`: the source in the path, or the Segment call."""

    __slots__ = ("address", "headers", "name", "place", "receive", "refused", "room", "scope", "source")

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        headers: Mapping[bytes, bytes],
        name: str,
        address: str,
        room: Room,
        place: Place,
    ) -> None:
        """`address` is the client's, as far as the trusted proxies tell it; `place` is what it has of the room."""
        self.scope = scope
        self.receive = receive
        self.headers = headers
        self.name = name
        self.address = address
        self.room = room
        self.place = place
        self.source: Source | None = None  # known once authorised; then CORS is that source's
        self.refused: tuple[str, Sequence[Wrong]] | None = (
            None  # what was refused of it although the response is no error
        )

    def admitted(self, source: "Source") -> None:
        """It is authorised for this source."""
        self.source = source
        if not source.public:
            self.room.trust(self.place)

    async def body(self, largest: int, *, packed: int | None = None) -> bytes:
        """The whole body, decompressed; at most `largest` bytes. Raises Problem 400, 413, 415, 503, and ClientGone."""
        headers = self.headers
        limit = packed or largest
        declared = headers.get(b"content-length")
        size = int(declared) if declared is not None and declared.isdigit() else limit
        if size > limit:
            raise too_large(limit)
        body = await (self._whole(limit) if WHOLE in self.scope else self.room.read(self.place, self._whole(limit)))
        encoding = headers.get(b"content-encoding")
        if encoding is None:
            return body
        plain = inflate(body, encoding, largest=largest)
        await self.room.take(self.place, len(plain))
        return plain

    async def _whole(self, limit: int) -> bytes:
        """The body as sent. Raises as `body`, as soon as it is known to be too large."""
        place, size = self.place, 0
        parts: list[bytes] = []
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large(limit)
            place.come = not message.get("more_body", False)
            if not self.room.took(place, len(part)):
                waiting = self.room.wait(place, len(part))
                await (waiting if place.reading is not None else self.room.read(place, waiting))
            parts.append(part)
            if place.come:
                return part if len(parts) == 1 else b"".join(parts)

    @property
    def content_type(self) -> bytes:
        """The media type without parameters, in lower case; empty if absent."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()

    @property
    def visitor(self) -> Visitor | None:
        """What the request shows of the person, when it comes from a browser; None from a server."""
        if self.source is None or not self.source.public:
            return None
        agent = self.headers.get(b"user-agent")
        return Visitor(None if agent is None else agent.decode("latin-1"), self.address)

    @property
    def traceparent(self) -> bytes | None:
        """The W3C Trace Context header as received."""
        return self.headers.get(b"traceparent")

    def named(self, fact: Fact) -> Fact:
        """The fact, with its id from the Idempotency-Key header if there is one. Raises Problem 400."""
        given = self.headers.get(b"idempotency-key")
        if given is None:
            return fact
        text = given.decode("latin-1").strip()
        if not 0 < len(text) <= LONGEST_ID:
            raise Problem(400, f"The Idempotency-Key must have 1 to {LONGEST_ID} characters")
        return fact.named(text)


Route = Callable[[Request], Awaitable[Answer]]


def accepted(identifier: UUID) -> Answer:
    """202: the event is safe."""
    return Answer(202, b'{"id":"%s","status":"accepted"}' % str(identifier).encode())


def refusal(wrong: Sequence[Wrong]) -> Problem:
    """422 that names every wrong field."""
    return Problem(
        422, "The event has wrong fields", errors=[FieldError(each.at or "/", each.problem) for each in wrong]
    )


def named_errors(wrong: Sequence[Wrong]) -> list[dict[str, Any]]:
    """The wrong fields of a batch that was accepted in part."""
    return [{"at": each.at, "problem": each.problem} for each in wrong]


def problem_answer(problem: Problem) -> Answer:
    """The problem document as a response."""
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return Answer(problem.status, encode_problem(problem), headers)
