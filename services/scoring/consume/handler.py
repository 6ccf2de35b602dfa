"""Scoring's part in the loop: from records to contacts, bookings and updates, in the loop's transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.consume.batch import Batch, Folded
from services.scoring.domain.fold import unconverted
from services.scoring.domain.identity import named
from services.scoring.domain.model import Model
from services.scoring.domain.trust import happened
from services.scoring.domain.view import view
from services.scoring.metrics import Metrics
from services.scoring.store import batch as store
from services.scoring.store.batch import BookingRow, EventRow
from shared import log
from shared.errors import Permanent
from shared.events.envelope import KAFKA_HEADERS, Decoded, Event, decode
from shared.events.origin import origin_of_event, sender_of
from shared.events.types import CostRecorded
from shared.events.updates import Update, Values, decode_update, encode_update, update_key
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record, Sender
from shared.kafka.topics import Topics

_LOG = log.get(__name__)
_MOST_BYTES: Final = 16_777_216  # of the updates that one transaction writes and memory holds


class TooMuch(Exception):  # noqa: N818 - it never leaves the loop
    """More comes of this batch than is good for one: the loop halves it."""


class Scoring:
    """The Handler of scoring (see shared/kafka/consumer.py)."""

    def __init__(
        self,
        model: Model,
        topics: Topics,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`clock` says when a contact was first heard of; `most_bytes` bounds what comes of one batch."""
        self._most_bytes = most_bytes
        self._model = model
        self._topics = topics
        self._metrics = metrics
        self._clock = clock
        self._log_each = log.is_debug(__name__)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Fold the batch. Six to ten statements, however many records."""
        dead: list[DeadLetter] = []
        fresh = await self._fresh(conn, records, dead)
        now = self._clock()
        batch = await self._batch(conn, [decoded for _, decoded in fresh], now)
        rows: list[EventRow] = []
        booked: list[BookingRow] = []
        outgoing: list[Outgoing] = []
        size = fallen = 0
        for record, decoded in fresh:
            event, data = decoded
            if isinstance(data, CostRecorded):  # about no contact: kept for the models
                rows.append(_event_row(record, event, None, None))
                continue
            try:
                folded = batch.fold(decoded)
            except Permanent as error:
                _LOG.warning("event_cannot_be_folded", event_id=str(event.id), reason=str(error),
                             trace_id=log.trace_id(event.traceparent))  # fmt: skip
                dead.append(DeadLetter(record, "Permanent", str(error)))
                continue
            if currency := unconverted(event, data, self._model):
                _LOG.warning("amount_unconverted", event_id=str(event.id), currency=currency,
                             trace_id=log.trace_id(event.traceparent))  # fmt: skip
            contact_id = folded.state.id
            if self._log_each:
                _LOG.debug("folded", event_id=str(event.id), trace_id=log.trace_id(event.traceparent),
                           contact_id=str(contact_id), type=event.type)  # fmt: skip
            update = self._update(record, event, folded)
            size, fallen = size + len(update), fallen + folded.fallen
            if size > self._most_bytes and len(records) > 1:
                raise TooMuch
            rows.append(_event_row(record, event, contact_id, update))
            booked += [
                BookingRow(contact_id, event.id, line, b.account, b.factor, b.amount, b.model, happened(event))
                for line, b in enumerate(folded.bookings)
            ]
            outgoing.append(Outgoing(self._target(record.topic), update_key(contact_id), update, KAFKA_HEADERS))
        await _write(conn, batch, rows, booked)
        return Handled(outgoing, dead, after_commit=lambda: self._metrics.fallen.inc(fallen))

    async def unpublished(
        self, conn: AsyncConnection, topic: str, partition: int, first: int, end: int
    ) -> Sequence[Outgoing]:
        """The stored updates of these offsets, byte for byte."""
        target = self._target(topic)
        stored = await store.unpublished(conn, topic, partition, first, end)
        # The key is in the update: the event's contact may have been merged since.
        keys = (update_key(decode_update(update).data.contact.id) for update in stored)
        return [Outgoing(target, key, update, KAFKA_HEADERS) for key, update in zip(keys, stored, strict=True)]

    def sender(self, record: Record) -> Sender:
        """The sender of the event."""
        return sender_of(origin_of_event(record.value))

    async def _fresh(
        self, conn: AsyncConnection, records: Sequence[Record], dead: list[DeadLetter]
    ) -> list[tuple[Record, Decoded]]:
        """The events that have not been folded yet, each once; what cannot be read goes to `dead`."""
        readable: dict[UUID, tuple[Record, Decoded]] = {}
        for record in records:
            try:
                decoded = decode(record.value)
            except Permanent as error:
                dead.append(DeadLetter(record, "Permanent", str(error)))
                continue
            readable.setdefault(decoded.event.id, (record, decoded))
        known = await store.known_events(conn, list(readable)) if readable else set()
        return [each for event_id, each in readable.items() if event_id not in known]

    async def _batch(self, conn: AsyncConnection, events: Sequence[Decoded], now: datetime) -> Batch:
        """Whom the events are about: read, then locked."""
        keys: set[str] = set()
        direct: set[UUID] = set()
        for event, data in events:
            identity = getattr(data, "identity", None)
            if identity is None:
                continue
            if identity.contact_id is not None and event.trust == "trusted":
                direct.add(identity.contact_id)
            else:
                keys.update(named(identity, event.source, event.trust).keys)
        known = await store.identities(conn, sorted(keys)) if keys else {}
        became = await store.survivors(conn, sorted(direct)) if direct else {}
        contacts = sorted({*known.values(), *became.values()})
        states = await store.lock_contacts(conn, contacts) if contacts else {}
        merges = {asked: survivor for asked, survivor in became.items() if asked != survivor}
        return Batch(self._model, now, states, known, merges=merges)

    def _update(self, record: Record, event: Event, folded: Folded) -> bytes:
        state = folded.state
        update = Update(
            contact=view(state, self._model),
            before=folded.before,
            after=Values(state.lead, state.customer),
            bookings=folded.bookings,
            event=Raw(record.value),
            merged=list(folded.absorbed),
            consents=list(folded.consents),
        )
        return encode_update(update, event_id=event.id, time=happened(event), traceparent=event.traceparent)

    def _target(self, topic: str) -> str:
        return self._topics.updates_bulk if topic == self._topics.events_bulk else self._topics.updates


def _event_row(record: Record, event: Event, contact_id: UUID | None, update: bytes | None) -> EventRow:
    return EventRow(
        event.id,
        contact_id,
        event.type,
        happened(event),
        record.topic,
        record.partition,
        record.offset,
        record.value,
        update,
    )


async def _write(conn: AsyncConnection, batch: Batch, rows: Sequence[EventRow], booked: Sequence[BookingRow]) -> None:
    """Write what the batch came to."""
    if batch.merges:
        rows = [
            row if row.contact_id is None else row._replace(contact_id=batch.survivor(row.contact_id)) for row in rows
        ]
        booked = [row._replace(contact_id=batch.survivor(row.contact_id)) for row in booked]
    if inserts := batch.to_insert():
        await store.insert_contacts(conn, inserts, batch.now)
    if updates := batch.to_update():
        await store.update_contacts(conn, updates, batch.now)
    if batch.new_keys:
        await store.insert_identities(conn, {key: batch.keys[key] for key in batch.new_keys})
    if batch.moved_keys:
        await store.point_identities(conn, {key: batch.keys[key] for key in batch.moved_keys})
    if rows:
        await store.insert_events(conn, rows)
    if booked:
        await store.insert_bookings(conn, booked)
    if merges := batch.merged():
        await store.merge(conn, merges)
