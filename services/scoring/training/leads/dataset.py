"""Past leads as the model saw them: rebuilt from their events, and looked at a few times while they were open.

What is known at such a moment comes from the events up to it and nothing else, by the code that values a live lead:
what people fill in once the outcome is known cannot leak in (models.md, 2.1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact import fold
from services.scoring.domain.contact.contact import ContactState, new_contact
from services.scoring.domain.lead import learnt
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.features import DID, Value
from services.scoring.domain.model.model import Model
from services.scoring.domain.responses import answered_after
from services.scoring.domain.trust import happened
from services.scoring.store.contacts import history
from shared.durations import DAY_S
from shared.errors import Permanent
from shared.events.envelope import Decoded, decode

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOOKS: Final = (0.0, 1.0, 7.0, 30.0)  # days since the lead came
HORIZON_DAYS: Final = 90.0
RIPE_DAYS: Final = 30.0  # from then on a lead without a purchase counts as lost, until it buys
_AT_ONCE: Final = 1000  # contacts


@dataclass(frozen=True, slots=True)
class Look:
    """A lead at one moment: what was known, the scorecard's log-odds, and whether it bought within the horizon.

    `lead` numbers the lead; `opened` is when it came, `known_at` when that was known, in seconds since 1970.
    """

    lead: int
    opened: float
    known: dict[str, Value]
    scorecard: float
    bought: bool
    known_at: float


class Answered(NamedTuple):
    """A lead that was answered: after how long, its log-odds by the scorecard when it came, and whether it bought."""

    minutes: float
    odds: float
    bought: bool


class Leads:
    """The looks at all leads, collected contact by contact."""

    def __init__(self, model: Model, now: float) -> None:
        """`model`: only its settings are used. `now`: until when purchases are known.

        `answered`: those that somebody answered, by the name of their response curve.
        """
        self._model = model
        self._now = now
        self.looks: list[Look] = []
        self.answered: dict[str, list[Answered]] = {}
        self.count = 0

    def add(self, contact_id: UUID, events: Iterable[Decoded]) -> None:
        """All events of a contact."""
        state = new_contact(contact_id, _BEGINNING)
        opened: float | None = None
        due: list[float] = []
        looks: list[tuple[dict[str, Value], float]] = []
        answered: float | None = None  # minutes after which somebody first got in touch
        for event, data in sorted(events, key=lambda each: (happened(each.event), each.event.id)):
            at = happened(event).timestamp()
            while opened is not None and due and due[0] < at:
                looks.append(self._look(state, due.pop(0)))
            before = state
            try:
                state = fold.fold(before, event, data, self._model.scorecard.half_lives)
            except Permanent:  # the rules have become stricter since it was stored
                continue
            if answered is None:
                answered = answered_after(before, state)
            if opened is None and state.open_lead:
                opened, due = at, [at + days * DAY_S for days in LOOKS[1:]]
                looks, answered = [self._look(state, at)], None
            elif opened is not None and not state.open_lead:
                self._closed(state, opened, looks, answered, bought_at=at)
                opened, due, looks = None, [], []
        if opened is not None:
            while due and due[0] <= self._now:
                looks.append(self._look(state, due.pop(0)))
            self._closed(state, opened, looks, answered, bought_at=None)

    def _closed(
        self,
        state: ContactState,
        opened: float,
        looks: Sequence[tuple[dict[str, Value], float]],
        answered: float | None,
        bought_at: float | None,
    ) -> None:
        if bought_at is None and self._now - opened < RIPE_DAYS * DAY_S:
            return
        bought = bought_at is not None and bought_at - opened <= HORIZON_DAYS * DAY_S
        known_at = bought_at if bought and bought_at is not None else opened + RIPE_DAYS * DAY_S
        self.looks += [Look(self.count, opened, known, scorecard, bought, known_at) for known, scorecard in looks]
        self.count += 1
        if answered is not None:
            name = self._model.queue.curve_of(state.source)
            self.answered.setdefault(name, []).append(Answered(answered, looks[0][1], bought))

    def _look(self, state: ContactState, at: float) -> tuple[dict[str, Value], float]:
        parts = lead_value.parts(state, self._model, at)
        known: dict[str, Value] = {name: learnt.said(name, state) for name in ("source", "interest", "phone")}
        known |= {name: learnt.said(name, state) for name in state.known if name.startswith(learnt.TRAIT)}
        known |= {DID + kind: learnt.did(DID + kind, state, 0.0, at) for kind in state.engaged if kind}
        known |= {"engagement": parts.engagement, "age": learnt.age(state, at)}
        return known, parts.prior + parts.fit + parts.engagement + parts.recency


async def read_leads(conn: AsyncConnection, model: Model, now: datetime, contacts: Sequence[UUID]) -> Leads:
    """The leads of these contacts, from their stored events."""
    leads = Leads(model, now.timestamp())
    for begin in range(0, len(contacts), _AT_ONCE):
        of: UUID | None = None
        events: list[Decoded] = []
        async for contact_id, body in history.of_contacts(conn, contacts[begin : begin + _AT_ONCE]):
            if contact_id != of:
                if of is not None:
                    leads.add(of, events)
                of, events = contact_id, []
            try:
                events.append(decode(body))
            except Permanent:
                continue
        if of is not None:
            leads.add(of, events)
    return leads
