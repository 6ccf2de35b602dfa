"""Scoring's part in the loop: from records to contacts, bookings and updates, in the loop's transaction."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Raw
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.consume.batch import Batch, Folded
from services.scoring.consume.come import Arrived, Come, come, erased_row, event_row
from services.scoring.consume.ground import Ground, locked, seen
from services.scoring.consume.outcome import Outcome, write
from services.scoring.domain.contact.fold import order_key
from services.scoring.domain.contact.places import not_known
from services.scoring.domain.contact.view import view
from services.scoring.domain.costs import told
from services.scoring.domain.customer.advocacy import referred
from services.scoring.domain.interests import bought_in
from services.scoring.domain.model.model import Model
from services.scoring.domain.trust import happened
from services.scoring.domain.values import missing_rate
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from services.scoring.store import orders as order_store
from services.scoring.store.contacts import at_once
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts.batch import BookingRow, UpdateRow
from services.scoring.store.orders import Orders
from services.scoring.store.referrals import Note
from services.scoring.store.unconverted import Missing
from shared import canary, log
from shared.db.tables.offsets import with_offsets
from shared.errors import Permanent
from shared.events.envelope import KAFKA_HEADERS, Decoded
from shared.events.origin import origin_of_event, sender_of
from shared.events.types import ContactParted, CostRecorded
from shared.events.updates import UPDATE_TYPE, Update, Values, decode_update, encode_update, update_key
from shared.kafka.records import AtOnce, DeadLetter, Handled, Outgoing, Record, Sender
from shared.kafka.topics import Topics
from shared.lead_hops import LEAD

_LOG = log.get(__name__)
_MOST_BYTES: Final = 16_777_216  # of updates in one transaction, and so in memory
_NOTHING: Final = with_offsets()


class TooMuch(Exception):  # noqa: N818 - it never leaves the loop
    """This batch produces more than one transaction should hold: the loop halves it."""


class Scoring:
    """The Handler of scoring (see shared/kafka/loop/consumer.py)."""

    def __init__(
        self,
        models: InForce,
        topics: Topics,
        metrics: Metrics,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        *,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`clock` dates new contacts, `new_id` names them.

        `most_bytes` bounds the output of one batch.
        """
        self._most_bytes = most_bytes
        self._models = models
        self._topics = topics
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._log_each = log.is_debug(__name__)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Fold the batch. Six to twelve statements, however many records."""
        dead: list[DeadLetter] = []
        await self._models.first(conn)
        canaries: list[Come] = []
        arrived = await come(conn, records, dead, canaries)
        outcome = await self._outcome(conn, arrived)
        outcome.rows += [erased_row(*each) for each in arrived.erased]
        await write(conn, outcome)
        return self._handled(outcome, canaries, dead)

    async def at_once(self, conn: AsyncConnection, records: Sequence[Record]) -> AtOnce | None:
        """Fold a few events that change their contacts and nothing else (see HandleAtOnce): two statements."""
        dead: list[DeadLetter] = []
        await self._models.first(conn)
        canaries: list[Come] = []
        arrived = await come(conn, records, dead, canaries, with_states=True)
        ground = None if dead or arrived.erased else seen(arrived, self._clock())
        if ground is None:
            return None
        outcome = self._fold(arrived.fresh, ground, {})
        small = None if outcome.dead or not outcome.only_small else outcome.small
        if small is None:
            return None
        if ground.states.keys() != {state.id for state in small.changes}:
            return None  # what stays as it is is not written, so nothing would tell that it has changed
        rows = {contact_id: each.row for contact_id, each in arrived.found.seen.items()}
        statement, values = (at_once.ALONE, at_once.alone(small, rows)) if small.events else (_NOTHING, {})
        return AtOnce(self._handled(outcome, canaries, dead), statement, values)

    def _handled(self, outcome: Outcome, canaries: Sequence[Come], dead: Sequence[DeadLetter]) -> Handled:
        outcome.canaries = [happened(decoded.event) for _, decoded in canaries]
        outcome.outgoing += [self._flown(*each) for each in canaries]
        return Handled(outcome.outgoing, [*dead, *outcome.dead], lambda: self._committed(outcome))

    @property
    def _model(self) -> Model:
        return self._models.model

    def _committed(self, outcome: Outcome) -> None:
        for what, about in outcome.said:
            _LOG.warning(what, **about)
        counts: Counter[str] = Counter()
        for missing, amounts in outcome.unconverted.items():
            counts[missing.currency] += amounts.orders + amounts.estimates
        if outcome.of_no_currency:
            counts["other"] = outcome.of_no_currency
        self._metrics.unconverted(counts)
        self._metrics.bought(sum(row.factor == "converted" for row in outcome.booked))
        self._metrics.fallen.inc(outcome.fallen)
        self._metrics.merges.inc(len(outcome.batch.merged()))
        self._metrics.hops.passed("scored", outcome.leads, self._clock())
        self._metrics.canary.passed("scored", outcome.canaries, self._clock())
        for what, count in outcome.not_known.items():
            self._metrics.not_known.labels(kind=what).inc(count)

    async def _outcome(self, conn: AsyncConnection, arrived: Arrived) -> Outcome:
        """Fold the events; once more when they need orders that were not read.

        Whose an event is shows only while folding: an earlier event of the batch may bring its identity.
        """
        fresh = arrived.fresh
        ground = await locked(conn, arrived, self._model, self._clock())
        read = ground.orders_named
        orders = await order_store.named(conn, read) if read else {}
        outcome = self._fold(fresh, ground, orders)
        batch = outcome.batch
        unread = batch.orders_of_the_stored() - read
        merged = {loser: batch.survivor(loser) for loser in batch.merges.keys() - ground.merges.keys()}
        if not unread and not merged:
            return outcome
        more = await order_store.named(conn, unread) if unread else {}
        if merged:
            keys = {key for _, decoded in fresh if (key := order_key(*decoded)) is not None}
            keys |= {key for theirs in ground.refolded.values() for key in theirs}
            for contact_id, theirs in (await order_store.of_merged(conn, merged, keys)).items():
                more.setdefault(contact_id, {}).update(theirs)
        if not more:
            return outcome
        for contact_id, theirs in more.items():
            orders.setdefault(contact_id, {}).update(theirs)
        return self._fold(fresh, ground, orders)

    def _fold(self, fresh: Sequence[tuple[Record, Decoded]], ground: Ground, orders: Orders) -> Outcome:
        batch = Batch(
            self._model, ground.now, ground.states, dict(ground.keys), self._new_id, merges=dict(ground.merges)
        )
        batch.orders = {contact_id: dict(theirs) for contact_id, theirs in orders.items()}
        for contact_id, theirs in ground.refolded.items():
            batch.orders[contact_id] = dict(theirs)
            batch.changed_orders[contact_id] = set(theirs)
        outcome = Outcome(batch)
        size = 0
        for record, decoded in fresh:
            event, data = decoded
            try:
                if isinstance(data, CostRecorded):  # about no contact: a job spreads it over the leads
                    outcome.cost(told(event, data))
                    outcome.rows.append(event_row(record, event, None))
                    continue
                folded = batch.fold(decoded)
            except Permanent as error:
                outcome.dead.append(DeadLetter(record, "Permanent", str(error)))
                outcome.say("event_cannot_be_folded", event, reason=str(error))
                continue
            if (currency := missing_rate(event, data, self._model)) is not None:
                outcome.has_no_rate(Missing(currency, happened(event).date()), order=order_key(event, data) is not None)
                outcome.say("amount_unconverted", event, currency=currency)
            contact_id = folded.state.id
            if self._log_each:
                _LOG.debug("folded", event_id=str(event.id), trace_id=log.trace_id(event.traceparent),
                           contact_id=str(contact_id), type=event.type)  # fmt: skip
            update = self._update(record, decoded, folded)
            size += len(update)
            outcome.fallen += folded.fallen
            outcome.answered(folded.answer)
            if event.type == LEAD and record.topic == self._topics.events:
                outcome.leads.append(happened(event))
            if traits := getattr(data, "traits", None):
                outcome.not_known.update(not_known(traits, self._model.home))
            if size > self._most_bytes and len(fresh) > 1:
                raise TooMuch
            outcome.rows.append(event_row(record, event, contact_id))
            outcome.updates.append(UpdateRow(record.topic, record.partition, record.offset, update))
            outcome.booked += [
                BookingRow(contact_id, event.id, line, b.account, b.factor, b.amount, b.model, happened(event))
                for line, b in enumerate(folded.bookings)
            ]
            outcome.referrals += [Note(key, contact_id, happened(event)) for key in referred(event, data)]
            outcome.bought += [(contact_id, item) for item in bought_in(event, data)]
            outcome.outgoing.append(Outgoing(self._target(record.topic), update_key(contact_id), update, KAFKA_HEADERS))
        return outcome

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
        return sender_of(origin_of_event(record.value))

    def _flown(self, record: Record, decoded: Decoded) -> Outgoing:
        """Fold and value a canary as the lead of a new contact; nothing of it is stored."""
        folded = Batch(self._model, self._clock(), {}, {}, self._new_id).fold(decoded)
        update = self._update(record, decoded, folded, kind=canary.UPDATE_TYPE)
        return Outgoing(self._target(record.topic), update_key(folded.state.id), update, KAFKA_HEADERS)

    def _update(self, record: Record, decoded: Decoded, folded: Folded, *, kind: str = UPDATE_TYPE) -> bytes:
        state, (event, data) = folded.state, decoded
        update = Update(
            contact=view(state, self._model),
            before=folded.before,
            after=Values(state.lead, state.customer),
            bookings=folded.bookings,
            event_type=event.type,
            event=Raw(record.value),
            merged=list(folded.absorbed),
            consents=list(folded.consents),
            parted=[data.other] if isinstance(data, ContactParted) else [],
        )
        return encode_update(update, event_id=event.id, time=happened(event), traceparent=event.traceparent, kind=kind)

    def _target(self, topic: str) -> str:
        return self._topics.updates_bulk if topic == self._topics.events_bulk else self._topics.updates
