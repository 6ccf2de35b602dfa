"""All that is known of a contact. Every part is a join: any order of events, and any merge, comes to the same."""

from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

Stage: TypeAlias = Literal["visitor", "lead", "customer"]

_KEPT_ORDERS: Final = 500
_NEVER: Final = float("-inf")


class Word(NamedTuple):
    """What was said of one thing, when (seconds since 1970), and whether only a stranger said so (`public`)."""

    at: float
    value: Any
    public: bool = False


class Order(Struct, frozen=True, array_like=True):
    """One order: paid, its margin and what went back, in base minor units; 0 paid while only a refund is known."""

    paid: int
    margin: int
    refunded: int

    @property
    def value(self) -> int:
        """The margin that is left: a refund takes its share of it."""
        if self.paid <= 0 or self.refunded >= self.paid:
            return 0
        return self.margin - self.margin * self.refunded // self.paid


class ContactState(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The state of one contact. Times are seconds since 1970, UTC; money is base minor units.

    `lead` and `customer` are the booked values: the sums of all bookings, whatever else this state says.
    """

    id: UUID
    created: datetime
    version: int = 0
    lead: int = 0
    customer: int = 0
    model: str = ""
    clock: float = 0.0  # the latest event's time
    keys: tuple[str, ...] = ()  # its identities, without the weak ones
    claimed: tuple[str, ...] = ()  # those of them that only strangers named
    known: dict[str, Word] = {}
    counters: tuple[tuple[float, float], ...] = ()  # per half-life: what is left of it, and as of when
    captured: float | None = None  # the latest capture
    first_source: tuple[float, str] | None = None  # the source that brought the contact
    converted: float | None = None  # the latest purchase
    touched: float | None = None  # the latest human touch
    orders: dict[str, Order] = {}
    settled: int = 0  # margin of orders too old to be kept one by one
    settled_orders: int = 0

    def get(self, name: str) -> Any:
        """The latest word on something; None when nothing was said."""
        found = self.known.get(name)
        return found[1] if found is not None else None

    @property
    def purchases(self) -> int:
        """How many orders were paid and not refunded whole."""
        return self.settled_orders + sum(
            order.value > 0 or order.paid > order.refunded for order in self.orders.values()
        )

    @property
    def open_lead(self) -> bool:
        """Whether it asked to be contacted and has not bought since."""
        return self.captured is not None and (self.converted is None or self.captured > self.converted)

    @property
    def stage(self) -> Stage:
        """What it is to us."""
        if self.converted is not None:
            return "customer"
        return "lead" if self.captured is not None else "visitor"

    @property
    def source(self) -> str | None:
        """The source that brought it."""
        return self.first_source[1] if self.first_source is not None else None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(ContactState)


def encode_state(state: ContactState) -> bytes:
    """The state as stored."""
    return _ENCODER.encode(state)


def decode_state(stored: bytes) -> ContactState:
    """The state again, equal to what was encoded."""
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
    """Note a word on something in place: a trusted one counts before a stranger's, then the later one.

    At the same moment a no to consent counts, of anything else the larger text.
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


def bounded(orders: dict[str, Order], settled: int, settled_orders: int) -> tuple[dict[str, Order], int, int]:
    """Orders within their bound: the first ones are summed up."""
    excess = len(orders) - _KEPT_ORDERS
    if excess <= 0:
        return orders, settled, settled_orders
    names = list(orders)[:excess]
    kept = {name: order for name, order in orders.items() if name not in set(names)}
    gone = [orders[name] for name in names]
    return kept, settled + sum(o.value for o in gone), settled_orders + sum(o.paid > o.refunded for o in gone)
