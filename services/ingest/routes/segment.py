"""Segment's HTTP API: its six calls, alone and in batches."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from services.ingest.accept.intake import Intake
from services.ingest.domain.checks import MOST_MESSAGES, Fields, Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.plain.typed import may_hold_nul
from services.ingest.domain.segment.messages import TYPES, read_segment
from services.ingest.domain.segment.typed_message import decode_typed, read_typed
from services.ingest.http.access import Door
from services.ingest.http.body import MOST_VALUES_OF_BATCH, bounded, decode_json, decode_object
from services.ingest.http.exchange import Answer, Request
from shared import log
from shared.clock import utc_now
from shared.http.problems import Problem

_LOG = log.get(__name__)
_DONE: Final = b'{"success":true}'  # their SDKs insist on exactly 200 and this
_BATCHES: Final = ("batch", "import")
_ONE_LETTER: Final = {f"/v1/{name[0]}": name for name in (*TYPES, "batch") if name != "alias"} | {"/v1/a": "alias"}
# Path → name of the call. The browser SDK uses the first letters.
PATHS: Final = {f"/v1/{name}": name for name in (*TYPES, *_BATCHES)} | _ONE_LETTER


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
        source = self._door.by_header(request, "segment")
        body = bounded(await request.body(self._largest))
        typed = None if may_hold_nul(body) else decode_typed(body)
        data = decode_object(body) if typed is None else {"writeKey": typed.writeKey}
        source = source or self._door.by_key(request, "segment", data.get("writeKey"))
        now = utc_now()
        fact = None if typed is None else read_typed(typed, request.name, now=now)
        if fact is None:
            data = data if typed is None else decode_object(body)
            fact = read_segment(data, request.name, now=now, public=source.public)
        self._door.count(request, source, fact)
        await self._intake.accept(source, (fact,), request.traceparent, request.visitor)
        return Answer(200, _DONE)

    async def _batch(self, request: Request) -> Answer:
        source = self._door.by_header(request, "segment")
        body = await request.body(self._largest_batch)
        said = _batch_of(body)
        source = source or self._door.by_key(request, "segment", said.writeKey)
        if said.batch is None:
            raise Refused([Wrong("/batch", "must be a list of messages")])
        if len(said.batch) > MOST_MESSAGES:
            raise Problem(413, "The batch has too many messages", f"At most {MOST_MESSAGES} are taken at once.")
        fields = Fields({"sentAt": said.sentAt})
        wrong, sent = fields.wrong, fields.time("sentAt")
        facts = self._facts(said.batch, sent=sent, public=source.public, nul=may_hold_nul(body), wrong=wrong)
        del body, said  # free the memory while Kafka works
        counted = self._door.counted(request, source, facts)
        await self._intake.accept(source, counted, request.traceparent, request.visitor)
        if not wrong:
            return Answer(200, _DONE)
        # Their SDKs drop the whole batch on a 400, good and bad: so 200, with the bad ones named.
        request.refused = "part_of_a_batch", wrong
        named = [{"index": _index(each.at), "at": each.at, "problem": each.problem} for each in wrong]
        return Answer(200, msgspec.json.encode({"success": True, "errors": named}))

    def _facts(
        self, batch: Sequence[Raw], *, sent: datetime | None, public: bool, nul: bool, wrong: list[Wrong]
    ) -> Iterator[Fact]:
        """What is good; what is wrong with the others is added to `wrong`. `nul`: some text may hold that character."""
        now = utc_now()
        for index, message in enumerate(batch):
            if not nul and len(memoryview(message)) <= self._largest and (typed := decode_typed(message)) is not None:
                fact = read_typed(typed, typed.type, sent=sent, now=now)
                if fact is not None:
                    yield fact
                    continue
            at = f"/batch/{index}"
            try:
                data = self._message(message, at)
                fact = read_segment(data, data["type"], at=at, sent=sent, now=now, public=public)
            except Refused as refused:
                wrong += refused.wrong
            else:
                yield fact

    def _message(self, message: Raw, at: str) -> dict[str, Any]:
        """One message of a batch, whose type is one of Segment's. Raises Refused."""
        try:
            data = decode_json(bytes(message))
        except Problem:
            raise Refused([Wrong(at, "is not valid JSON")]) from None
        # Without the spaces that it may have been sent with.
        if len(memoryview(message)) > self._largest and len(msgspec.json.encode(data)) > self._largest:
            raise Refused([Wrong(at, f"must have at most {self._largest} bytes")])
        if not isinstance(data, dict) or data.get("type") not in TYPES:
            raise Refused([Wrong(f"{at}/type", f"must be one of {', '.join(TYPES)}")])
        return data


class _Batch(Struct):
    """Messages are decoded one by one, so that a bad one does not affect the others."""

    batch: list[Raw] | None = None
    sentAt: Any = None  # noqa: N815 - Segment's own name
    writeKey: Any = None  # noqa: N815 - Segment's own name


class _Keyed(Struct):
    writeKey: Raw = Raw(b"null")  # noqa: N815 - Segment's own name; nothing changes it


_BATCH: Final = msgspec.json.Decoder(_Batch)
_KEYED: Final = msgspec.json.Decoder(_Keyed)


def _batch_of(body: bytes) -> _Batch:
    """Its messages still JSON; no list of them when there is none. Raises Problem 400 or 413."""
    try:
        said = _BATCH.decode(bounded(body, MOST_VALUES_OF_BATCH))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = _Batch()
    if said.batch is not None:
        return said
    key = decode_json(body, _KEYED, most=MOST_VALUES_OF_BATCH).writeKey  # nothing else of it is made
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _Batch(writeKey=msgspec.json.decode(key, type=str))
    return _Batch()


def _index(at: str) -> int | None:
    parts = at.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None  # noqa: PLR2004 - /batch/<index>
