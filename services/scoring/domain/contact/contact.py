"""Everything known of a contact, independent of any model.

Every part is a join: any order of events, and any merge, gives the same state.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from services.scoring.domain.customer.days import Days, Earlier
from services.scoring.domain.funnel.journey import SET_OUT, Journey
from shared.events.stages import Stage

HalfLives: TypeAlias = tuple[float, ...]  # seconds
Counts: TypeAlias = tuple[float, ...]  # as of when, in seconds since 1970; then what is left per half-life

FORM: Final = 2  # of the state; an older one is folded again from its stored events


class Word(NamedTuple):
    """What was said about one thing, when (seconds since 1970), and whether only a public sender said so (`public`)."""

    at: float
    value: Any
    public: bool = False


class ContactState(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The state of one contact. Times are seconds since 1970, UTC; money is base minor units.

    Known: `known`, `engaged` (the counts of each kind of engagement, weighted by human likelihood, each fading with
    every one of `half_lives`), the times, `paid_orders`. The orders themselves have a table.
    Booked: `lead` and `customer` are the sums of all bookings; `model` is the version that last valued both, and
    `step` what the lead model had learnt online by then, of an open lead.
    `past` sums the margin of all orders by the rates and margins of version `priced`, `days` and `earlier` the orders
    themselves; `unconverted` counts the orders of it, by currency, that have no rate and count 0. `swept`: up to
    when the passing of time is booked; `tier`: see tiers.py. `worth` and `curve`: where in the queue it waits
    (queue.py), and `since` when; None: nowhere. `journey`: how far it came, and when (funnel/); None: not known yet,
    to be read from its events. `qualified`: when its lead was first seen to be worth it. `cost`: its share of the costs
    that were recorded (costs.py); None: none was, and what a lead of its source usually costs counts.
    `machine`: when a person said that a machine is behind it (machine.py). `referred`: the margin of those it referred
    who bought, in base minor units (advocacy.py).
    """

    id: UUID
    created: datetime
    form: int = 1
    version: int = 0
    lead: int = 0
    customer: int = 0
    model: str = ""
    step: str = ""
    clock: float = 0.0  # the latest event's time
    keys: tuple[str, ...] = ()  # its identities, without the weak ones
    claimed: tuple[str, ...] = ()  # those of them that only strangers named
    known: dict[str, Word] = {}
    half_lives: HalfLives = ()
    engaged: dict[str, Counts] = {}
    captured: float | None = None  # the latest capture
    first_source: tuple[float, str] | None = None  # the contact's first source
    converted: float | None = None  # the latest purchase
    touched: float | None = None  # the latest human touch
    reached: float | None = None  # the latest that reached somebody
    tried: float | None = None  # the latest that did not
    paid_orders: int = 0  # not refunded in full
    past: int = 0
    priced: str = ""
    unconverted: dict[str, int] = {}
    days: Days = {}
    earlier: Earlier | None = None
    swept: float = 0.0
    tier: str = ""
    foreign: tuple[str, ...] = ()  # marks of the keys of people it was split from (parting.py)
    worth: int | None = None
    curve: str = ""
    since: float | None = None
    journey: Journey | None = None
    qualified: float | None = None
    rfm: str = ""
    cost: int | None = None
    machine: float | None = None
    referred: int = 0

    def get(self, name: str) -> Any:
        """The latest value of this word, or None."""
        found = self.known.get(name)
        return found[1] if found is not None else None

    @property
    def as_of(self) -> float:
        """The time of its values, in seconds since 1970; late events do not move it back."""
        return max(self.clock, self.swept)

    @property
    def open_lead(self) -> bool:
        """Whether it asked to be contacted and has not bought since."""
        return self.captured is not None and (self.converted is None or self.captured > self.converted)

    @property
    def unanswered(self) -> bool:
        """Whether it is an open lead that no person has called or written to since its capture."""
        return self.open_lead and (self.touched is None or self.captured is None or self.touched < self.captured)

    @property
    def waits(self) -> bool:
        """Whether it is an open lead that no person has reached since its capture."""
        reached = self.last_reached
        return self.open_lead and (reached is None or self.captured is None or reached < self.captured)

    @property
    def last_reached(self) -> float | None:
        """When a person last reached it; a touch of which nothing else is known (of an earlier release) did."""
        return self.touched if self.reached is None and self.tried is None else self.reached

    @property
    def waits_since(self) -> float | None:
        """Since when it waits in the queue; None: it does not. Of a lead, earlier releases did not keep it."""
        if self.worth is None:
            return None
        return self.captured if self.since is None else self.since

    @property
    def stage(self) -> Stage:
        """Its stage: visitor, lead or customer."""
        if self.converted is not None:
            return "customer"
        return "lead" if self.captured is not None else "visitor"

    @property
    def source(self) -> str | None:
        return self.first_source[1] if self.first_source is not None else None


def new_contact(contact_id: UUID, created: datetime) -> ContactState:
    """A contact about whom nothing is known."""
    return ContactState(id=contact_id, created=created, form=FORM, journey=SET_OUT)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(ContactState)


def encode_state(state: ContactState) -> bytes:
    """The state as stored."""
    return _ENCODER.encode(state)


def decode_state(stored: bytes) -> ContactState:
    """The inverse of `encode_state`."""
    return _DECODER.decode(stored)


def moment(seconds: float) -> datetime:
    """A time of the state as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def later(a: float | None, b: float | None) -> float | None:
    """The later of two times, either of which may be unknown."""
    if a is None or b is None:
        return a if b is None else b
    return max(a, b)


def tell(known: dict[str, Word], name: str, value: Any, at: float, *, public: bool) -> None:
    """Note a word in place: a trusted one outranks a public one, then the later one counts.

    At the same moment a no to consent counts, otherwise the larger text.
    """
    before = known.get(name)
    if before is not None:
        rank, other = (not public, at), (not before.public, before.at)
        if rank < other or (rank == other and not _outranks(name, value, before.value)):
            return
    known[name] = Word(at, value, public)


def _outranks(name: str, value: Any, other: Any) -> bool:
    if name.startswith("consent:"):
        return value is False
    return repr(value) > repr(other)
