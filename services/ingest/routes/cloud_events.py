"""`POST /v1/events`: CloudEvents, one or a batch."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import msgspec

from services.ingest.accept.intake import Intake
from services.ingest.config.source import Source
from services.ingest.domain.checks import MOST_MESSAGES, Wrong
from services.ingest.domain.cloud_events import from_headers, is_json, read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.http.access import Door
from services.ingest.http.body import MOST_VALUES_OF_BATCH, decode_json
from services.ingest.http.exchange import Answer, Request, accepted, named_errors
from shared.http.problems import Problem

_ONE: Final = b"application/cloudevents+json"
_MANY: Final = b"application/cloudevents-batch+json"
_FORMATS: Final = b"application/cloudevents"
_AT_A_STRETCH: Final = 200  # of them, some milliseconds
_MARK: Final = b"ce-specversion"


class CloudEvents:
    """The HTTP binding of CloudEvents 1.0: structured, binary and batched."""

    def __init__(self, door: Door, intake: Intake, *, largest: int, largest_batch: int) -> None:
        """`largest`: bytes of one event's body; `largest_batch`: of a batch's."""
        self._door = door
        self._intake = intake
        self._largest = largest
        self._largest_batch = largest_batch

    async def take(self, request: Request) -> Answer:
        """One event, or a batch of which the good ones are taken."""
        source = self._door.by_key(request, "event")
        if request.content_type == _MANY:
            return await self._batch(request, source)
        event = await self._event(request)
        fact = request.named(read_cloud_event(event))
        (identifier,) = await self._intake.accept(source, (fact,), request.traceparent or _trace_of(event))
        return accepted(identifier)

    async def _event(self, request: Request) -> Mapping[str, Any]:
        """The event as structured mode has it. The content type decides first: `ce-` headers may come with either."""
        binary = not request.content_type.startswith(_FORMATS) and _MARK in request.headers
        content_type = request.content_type.decode("latin-1")
        if binary and content_type and not is_json(content_type):
            raise Problem(415, "Data of this content type is not accepted", "Send it as application/json.")
        if not binary and request.content_type != _ONE and not is_json(content_type):
            raise Problem(415, "This content type is not accepted", "Send application/cloudevents+json or ce- headers.")
        body = await request.body(self._largest)
        if binary:
            return from_headers(request.headers, decode_json(body) if body else None)
        event = decode_json(body)
        if not isinstance(event, dict):
            raise Problem(400, "The body is not a CloudEvent")
        return event

    async def _batch(self, request: Request, source: Source) -> Answer:
        batch = decode_json(await request.body(self._largest_batch), most=MOST_VALUES_OF_BATCH)
        if not isinstance(batch, list):
            raise Problem(400, "The body is not a list of CloudEvents")
        if len(batch) > MOST_MESSAGES:
            raise Problem(413, "The batch has too many events", f"At most {MOST_MESSAGES} are taken at once.")
        facts: list[tuple[bytes | None, Fact]] = []
        wrong: list[Wrong] = []
        for index, event in enumerate(batch):
            if index % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # let other requests run
            try:
                if not isinstance(event, dict):
                    raise Refused([Wrong(f"/{index}", "must be an object")])
                facts.append((request.traceparent or _trace_of(event), read_cloud_event(event, f"/{index}")))
            except Refused as refused:
                wrong += refused.wrong
        if not facts and wrong:
            raise Refused(wrong)
        if wrong:
            request.refused = "part_of_a_batch", wrong
        ids = await self._accept(source, facts)
        answer = {"ids": ids, "status": "accepted", **({"errors": named_errors(wrong)} if wrong else {})}
        return Answer(202, msgspec.json.encode(answer))

    async def _accept(self, source: Source, facts: Sequence[tuple[bytes | None, Fact]]) -> list[UUID]:
        ids: list[UUID] = []
        for trace, together in groupby(facts, key=lambda each: each[0]):
            ids += await self._intake.accept(source, [fact for _, fact in together], trace)
        return ids


def _trace_of(event: Mapping[str, Any]) -> bytes | None:
    """The event's own trace (CloudEvents' extension for distributed tracing)."""
    trace = event.get("traceparent")
    return trace.encode() if isinstance(trace, str) else None
