"""The result of a batch, and how it is written."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.consume.batch import Batch
from services.scoring.domain.costs import Cost
from services.scoring.domain.responses import Bucket, Sums
from services.scoring.store import bought as bought_store
from services.scoring.store import changes, costs, funnel, referrals, responses, unconverted
from services.scoring.store import orders as order_store
from services.scoring.store.contacts import at_once, split
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts.at_once import Small
from services.scoring.store.contacts.batch import BookingRow, EventRow, UpdateRow
from services.scoring.store.referrals import Note
from services.scoring.store.unconverted import Amounts, Missing
from shared import log
from shared.events.envelope import Event
from shared.kafka.records import DeadLetter, Outgoing
from shared.money import is_currency


@dataclass(slots=True)
class Outcome:
    """The result of a batch."""

    batch: Batch
    rows: list[EventRow] = field(default_factory=list)
    updates: list[UpdateRow] = field(default_factory=list)
    booked: list[BookingRow] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    unconverted: dict[Missing, Amounts] = field(default_factory=dict)
    of_no_currency: int = 0
    fallen: int = 0
    leads: list[datetime] = field(default_factory=list)  # when those of the live lane happened
    canaries: list[datetime] = field(default_factory=list)  # when they were sent
    not_known: Counter[str] = field(default_factory=Counter)
    bought: list[tuple[UUID, str]] = field(default_factory=list)  # contact, item
    referrals: list[Note] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    answers: dict[Bucket, Sums] = field(default_factory=dict)
    said: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)  # for the log, once it is committed

    @property
    def small(self) -> Small | None:
        """What is written of a few events; None where there are many, or more than contacts has to be changed."""
        batch = self.batch
        if len(self.rows) > at_once.MOST_EVENTS or batch.merges or batch.moved_keys:
            return None
        keys = {key: batch.keys[key] for key in batch.new_keys}
        return Small(
            batch.now, batch.to_insert(), batch.to_update(), batch.told(), keys, self.rows, self.updates, self.booked,
            batch.moves(), batch.moves_the_queue(),
        )  # fmt: skip

    @property
    def only_small(self) -> bool:
        """Whether nothing is written besides."""
        more = self.referrals or self.costs or self.answers or self.unconverted or self.bought
        return not more and not self.batch.orders_to_write()

    def say(self, what: str, event: Event, **about: str) -> None:
        """Have the log say so of an event."""
        self.said.append((what, {"event_id": str(event.id), "trace_id": log.trace_id(event.traceparent), **about}))

    def answered(self, answer: tuple[Bucket, Sums] | None) -> None:
        """Count an answer to a lead, if the event was one."""
        if answer is not None:
            bucket, more = answer
            so_far = self.answers.get(bucket, Sums(0, 0, 0.0))
            self.answers[bucket] = Sums(
                so_far.answers + more.answers, so_far.lost + more.lost, so_far.squares + more.squares
            )

    def cost(self, cost: Cost | None) -> None:
        """Keep a cost, if it counts."""
        if cost is not None:
            self.costs.append(cost)

    def has_no_rate(self, missing: Missing, *, order: bool) -> None:
        """Count an amount. Codes outside ISO 4217 (old events may name anything) are counted together."""
        if not is_currency(missing.currency):
            self.of_no_currency += 1
            return
        before = self.unconverted.get(missing, Amounts(0, 0))
        self.unconverted[missing] = Amounts(before.orders + order, before.estimates + (not order))


async def write(conn: AsyncConnection, outcome: Outcome) -> None:
    """Write the result of the batch."""
    batch = outcome.batch
    small = outcome.small
    if small is None:
        await _write_many(conn, outcome)
    elif small.events:
        await at_once.write(conn, small)
    if outcome.referrals:
        notes = [each._replace(contact_id=batch.survivor(each.contact_id)) for each in outcome.referrals]
        await referrals.note(conn, notes)
    if outcome.costs:
        await costs.tell(conn, outcome.costs)
    if outcome.answers:
        await responses.add(conn, outcome.answers)
    if outcome.unconverted:
        await unconverted.count(conn, outcome.unconverted, batch.now.date())
    if changed := batch.orders_to_write():
        await order_store.write(conn, changed)
    merges = batch.merged()
    if outcome.bought or merges:
        bought = [(batch.survivor(contact_id), item) for contact_id, item in outcome.bought]
        await bought_store.write(conn, bought, merges)


async def _write_many(conn: AsyncConnection, outcome: Outcome) -> None:
    batch, rows, booked = outcome.batch, outcome.rows, outcome.booked
    if batch.merges:
        rows = [
            row if row.contact_id is None else row._replace(contact_id=batch.survivor(row.contact_id)) for row in rows
        ]
        booked = [row._replace(contact_id=batch.survivor(row.contact_id)) for row in booked]
    await _write_contacts(conn, batch)
    await changes.note(conn, batch.changed(), queue=batch.moves_the_queue())
    if rows:
        await store.insert_events(conn, rows)
    if outcome.updates:
        await store.insert_updates(conn, outcome.updates)
    if booked:
        await store.insert_bookings(conn, booked)
    if merges := batch.merged():
        await split.remember(conn, _parts(outcome, merges), batch.now)
        await store.merge(conn, merges)
        await order_store.move(conn, merges, batch.changed_orders)
        await costs.due_again(conn, {*merges.values()})
        await referrals.move(conn, merges)
    await funnel.add(conn, batch.moves())


def _parts(outcome: Outcome, merges: Mapping[UUID, UUID]) -> list[split.Part]:
    """What this batch itself brought of each contact that it merged away."""
    events: dict[UUID | None, list[UUID]] = {}
    for row in outcome.rows:
        events.setdefault(row.contact_id, []).append(row.id)
    keys = outcome.batch.lost_keys
    return [split.Part(loser, events.get(loser, []), sorted(keys.get(loser, ()))) for loser in merges]


async def _write_contacts(conn: AsyncConnection, batch: Batch) -> None:
    if inserts := batch.to_insert():
        await store.insert_contacts(conn, inserts, batch.now)
    if updates := batch.to_update():
        await store.update_contacts(conn, updates, batch.now, told=batch.told())
    if batch.new_keys:
        await store.insert_identities(conn, {key: batch.keys[key] for key in batch.new_keys})
    if batch.moved_keys:
        await store.point_identities(conn, {key: batch.keys[key] for key in batch.moved_keys})
