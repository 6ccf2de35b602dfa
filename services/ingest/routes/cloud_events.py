"""`POST /v1/events`: CloudEvents, one or a batch."""

from typing import Final

import msgspec

from services.ingest.body import decode_json
from services.ingest.domain.checks import Wrong
from services.ingest.domain.cloud_events import from_headers, read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.door import Door
from services.ingest.exchange import Answer, Request, accepted, named_errors
from services.ingest.intake import Intake
from services.ingest.sources import Source
from shared.http.problems import Problem

_ONE: Final = (b"application/cloudevents+json", b"application/json")
_MANY: Final = b"application/cloudevents-batch+json"


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
        body = decode_json(await request.body(self._largest))
        if b"ce-specversion" in request.headers:
            body = from_headers(request.headers, body)
        elif request.content_type not in _ONE:
            raise Problem(415, "This content type is not taken", "Send application/cloudevents+json, or ce- headers.")
        if not isinstance(body, dict):
            raise Problem(400, "The body is not a CloudEvent")
        (identifier,) = await self._intake.accept(source, (request.named(read_cloud_event(body)),), request.traceparent)
        return accepted(identifier)

    async def _batch(self, request: Request, source: Source) -> Answer:
        batch = decode_json(await request.body(self._largest_batch))
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
        ids = await self._intake.accept(source, facts, request.traceparent) if facts else []
        answer = {"ids": ids, "status": "accepted", **({"errors": named_errors(wrong)} if wrong else {})}
        return Answer(202, msgspec.json.encode(answer))
