"""Segment's HTTP API: its six calls, alone and in batches."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from services.ingest.body import decode_object
from services.ingest.domain.checks import Fields, Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.segment import TYPES, read_segment
from services.ingest.door import Door
from services.ingest.exchange import Answer, Request
from services.ingest.intake import Intake
from shared import log
from shared.clock import utc_now
from shared.http.problems import Problem

_LOG = log.get(__name__)
_DONE: Final = b'{"success":true}'  # their SDKs insist on exactly 200 and this
_BATCHES: Final = ("batch", "import")
_ONE_LETTER: Final = {f"/v1/{name[0]}": name for name in (*TYPES, "batch") if name != "alias"} | {"/v1/a": "alias"}
# Path → name of the call. The browser SDK uses the first letters.
PATHS: Final = {f"/v1/{name}": name for name in (*TYPES, *_BATCHES)} | _ONE_LETTER
_MOST_MESSAGES: Final = 2500  # as Segment's own import took


class Segment:
    """Decided by path, never by content type: browsers send text/plain to avoid a preflight."""

    def __init__(self, door: Door, intake: Intake, *, largest: int, largest_batch: int) -> None:
        """`largest`: bytes of one message, also of one in a batch; `largest_batch`: of a batch's body."""
        self._door = door
        self._intake = intake
        self._largest = largest
        self._largest_batch = largest_batch

    async def take(self, request: Request) -> Answer:
        """One message, or a batch: `request.name` says which."""
        return await (self._batch(request) if request.name in _BATCHES else self._one(request))

    async def _one(self, request: Request) -> Answer:
        data = decode_object(await request.body(self._largest))
        source = self._door.by_key(request, "segment", data.get("writeKey"))
        fact = read_segment(data, request.name, now=utc_now(), public=source.public)
        await self._intake.accept(source, (fact,), request.traceparent, request.visitor)
        return Answer(200, _DONE)

    async def _batch(self, request: Request) -> Answer:
        body = await request.body(self._largest_batch)
        data = decode_object(body)
        source = self._door.by_key(request, "segment", data.get("writeKey"))
        batch = data.get("batch")
        if not isinstance(batch, list):
            raise Refused([Wrong("/batch", "must be a list of messages")])
        if len(batch) > _MOST_MESSAGES:
            raise Problem(413, "The batch has too many messages", f"At most {_MOST_MESSAGES} are taken at once.")
        now, fields = utc_now(), Fields(data)
        sent = fields.time("sentAt")
        facts: list[Fact] = []
        wrong: list[Wrong] = list(fields.wrong)
        too_large = frozenset(self._too_large(batch)) if len(body) > self._largest else frozenset()
        for index, message in enumerate(batch):
            at = f"/batch/{index}"
            try:
                if index in too_large:
                    raise Refused([Wrong(at, f"must have at most {self._largest} bytes")])
                if not isinstance(message, dict) or message.get("type") not in TYPES:
                    raise Refused([Wrong(f"{at}/type", f"must be one of {', '.join(TYPES)}")])
                kind = message["type"]
                facts.append(read_segment(message, kind, at=at, sent=sent, now=now, public=source.public))
            except Refused as refused:
                wrong += refused.wrong
        if facts:
            await self._intake.accept(source, facts, request.traceparent, request.visitor)
        if not wrong:
            return Answer(200, _DONE)
        # Their SDKs drop the whole batch on a 400, the good with the bad: so 200, and the bad ones named.
        _LOG.info("batch_refused_in_part", source=source.name, refused=len(batch) - len(facts), taken=len(facts))
        named = [{"index": _index(each.at), "at": each.at, "problem": each.problem} for each in wrong]
        return Answer(200, msgspec.json.encode({"success": True, "errors": named}))

    def _too_large(self, batch: list[Any]) -> Iterator[int]:
        """The index of each message that is too large by itself, without the spaces it may have been sent with."""
        encoder = msgspec.json.Encoder()
        return (index for index, message in enumerate(batch) if len(encoder.encode(message)) > self._largest)


def _index(at: str) -> int | None:
    parts = at.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None  # noqa: PLR2004 - /batch/<index>
