"""What an event makes of a contact's state, and what two states are together. Pure; no order of events matters."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from services.scoring.domain.bounds import LONGEST_TEXT
from services.scoring.domain.consent import heard, name_of
from services.scoring.domain.contact import ContactState, Order, Word, bounded, later, tell
from services.scoring.domain.model import Model
from services.scoring.domain.trust import believed, happened, proves_address, robot
from shared.events.envelope import Event
from shared.events.types import (
    ConsentChanged,
    ContactIdentified,
    ContactTouched,
    EngagementRecorded,
    FeedbackGiven,
    LeadCaptured,
    PurchaseCompleted,
    PurchaseRefunded,
)
from shared.money import Money, exactly

_replace = msgspec.structs.replace
UNCONVERTED: Final = "unconverted"  # the word on the currency of the last amount without a rate
_BEFORE_ALL = -1e11  # seconds since 1970: a word of that time yields to any other


def fold(state: ContactState, event: Event, data: Any, model: Model) -> ContactState:
    """The state after the event; `version` grows by one. Values are not touched here (see bookings.py).

    An amount without a rate counts as 0: `known` says of which currency the last such one was, and the rest is folded.
    Raises Permanent when the event can never be folded (an amount that is no number).
    """
    at = happened(event).timestamp()
    changes: dict[str, Any] = {"version": state.version + 1}
    if at > state.clock:
        changes["clock"] = at
    rule = _RULES.get(type(data))
    if rule is not None and believed(event, data):
        rule(state, event, data, model, at, changes)
    if state.claimed and proves_address(event, data):
        proven = f"email:{data.identity.email or state.get('email')}"
        changes["claimed"] = tuple(key for key in state.claimed if key != proven)
    return _replace(state, **changes)


def unconverted(event: Event, data: Any, model: Model) -> str | None:
    """The currency of the event's money, if there is no rate for it at its time. Raises Permanent as `fold` does."""
    money = data.estimated_value if isinstance(data, LeadCaptured) else data
    if not isinstance(money, Money | PurchaseCompleted | PurchaseRefunded):
        return None
    return money.currency if model.in_base(money.amount, money.currency, event.time) is None else None


def _identity(state: ContactState, data: Any, at: float, *, public: bool) -> dict[str, Word]:
    known = dict(state.known)
    if data.identity.email:
        tell(known, "email", data.identity.email, at, public=public)
    if data.identity.phone:
        tell(known, "phone", data.identity.phone, at, public=public)
    return known


def _traits(known: dict[str, Word], traits: Mapping[str, Any], at: float, *, public: bool) -> None:
    for name, value in traits.items():
        tell(known, f"trait:{name}", value, at, public=public)


def _consent(known: dict[str, Word], state: ContactState, event: Event, data: Any) -> None:
    for word in heard(state, event, data):
        tell(known, name_of(word), word.given, word.at.timestamp(), public=word.public)


def _lead(
    state: ContactState, event: Event, data: LeadCaptured, model: Model, at: float, changes: dict[str, Any]
) -> None:
    if robot(data):  # no lead to follow
        _by_a_robot(state, data, changes)
        return
    public = event.trust == "public"
    known = _identity(state, data, at, public=public)
    for name in ("name", "interest"):
        value = getattr(data, name)
        if value:
            tell(known, name, value[:LONGEST_TEXT], at, public=public)
    _traits(known, data.traits, at, public=public)
    _consent(known, state, event, data)
    estimate = data.estimated_value
    if estimate is not None:
        expected = model.in_base(estimate.amount, estimate.currency, event.time)
        if expected is None:
            tell(
                known, UNCONVERTED, estimate.currency, at, public=public
            )  # no word on its worth: the mean of all leads counts
        else:
            most = model.source(event.source).estimate_limit if public else expected
            tell(known, "estimate", max(0, min(expected, most)), at, public=public)
    changes["known"] = known
    changes["captured"] = later(state.captured, at)
    changes["first_source"] = min(filter(None, (state.first_source, (at, event.source))))


def _by_a_robot(state: ContactState, data: Any, changes: dict[str, Any]) -> None:
    """Kept and shown by its address; nothing that is known changes."""
    if state.version == 0:
        changes["known"] = _identity(state, data, _BEFORE_ALL, public=True)


def _identified(
    state: ContactState, event: Event, data: ContactIdentified, _model: Model, at: float, changes: dict[str, Any]
) -> None:
    if robot(data):
        _by_a_robot(state, data, changes)
        return
    public = event.trust == "public"
    known = _identity(state, data, at, public=public)
    if data.name:
        tell(known, "name", data.name[:LONGEST_TEXT], at, public=public)
    _traits(known, data.traits, at, public=public)
    changes["known"] = known


def _engaged(
    state: ContactState, _event: Event, data: EngagementRecorded, model: Model, at: float, changes: dict[str, Any]
) -> None:
    points = model.points.get(data.kind, model.default_points) * min(1.0, max(0.0, data.human_likelihood))
    if points:
        new = tuple((points, at) for _ in model.half_lives)
        changes["counters"] = _joined(state.counters, new, model.half_lives)


def _bought(
    state: ContactState, event: Event, data: PurchaseCompleted, model: Model, at: float, changes: dict[str, Any]
) -> None:
    converted = model.in_base(data.amount, data.currency, event.time)
    paid = converted or 0
    margin = (
        model.in_base(data.margin, data.currency, event.time) or 0
        if data.margin is not None
        else round(paid * model.margin_rate)
    )
    before = state.orders.get(data.order_id)
    orders = dict(state.orders)
    orders[data.order_id] = _one_order(before, Order(paid, margin, 0))
    changes["orders"], changes["settled"], changes["settled_orders"] = bounded(
        orders, state.settled, state.settled_orders
    )
    changes["known"] = known = _identity(state, data, at, public=event.trust == "public")
    if converted is None:
        tell(known, UNCONVERTED, data.currency, at, public=event.trust == "public")
    if paid > 0 or (converted is None and exactly(data.amount) > 0):
        changes["converted"] = later(state.converted, at)


def _refunded(
    state: ContactState, event: Event, data: PurchaseRefunded, model: Model, at: float, changes: dict[str, Any]
) -> None:
    converted = model.in_base(data.amount, data.currency, event.time)
    if converted is None:
        changes["known"] = known = dict(state.known)
        tell(known, UNCONVERTED, data.currency, at, public=event.trust == "public")
    amount = abs(converted or 0)  # some senders write what went back as minus
    before = state.orders.get(data.order_id) or Order(0, 0, 0)
    changes["orders"] = {**state.orders, data.order_id: Order(before.paid, before.margin, before.refunded + amount)}


def _touched(
    state: ContactState, _event: Event, data: ContactTouched, _model: Model, at: float, changes: dict[str, Any]
) -> None:
    if data.human:
        changes["touched"] = later(state.touched, at)


def _consented(
    state: ContactState, event: Event, data: ConsentChanged, _model: Model, _at: float, changes: dict[str, Any]
) -> None:
    known = dict(state.known)
    _consent(known, state, event, data)
    changes["known"] = known


def _said(
    state: ContactState, event: Event, data: FeedbackGiven, _model: Model, at: float, changes: dict[str, Any]
) -> None:
    known = dict(state.known)
    tell(known, data.kind, data.score, at, public=event.trust == "public")
    changes["known"] = known


_Rule = Callable[[ContactState, Event, Any, Model, float, dict[str, Any]], None]
_RULES: Final[Mapping[type, _Rule]] = {
    LeadCaptured: _lead,
    ContactIdentified: _identified,
    EngagementRecorded: _engaged,
    PurchaseCompleted: _bought,
    PurchaseRefunded: _refunded,
    ContactTouched: _touched,
    ConsentChanged: _consented,
    FeedbackGiven: _said,
}


def _one_order(a: Order | None, b: Order) -> Order:
    """The same order heard of twice is one order; refunds of it add up."""
    if a is None:
        return b
    paid, margin = max((a.paid, a.margin), (b.paid, b.margin))  # while only a refund is known, paid is 0
    return Order(paid, margin, a.refunded + b.refunded)


def _joined(
    a: tuple[tuple[float, float], ...], b: tuple[tuple[float, float], ...], half_lives: tuple[float, ...]
) -> tuple[tuple[float, float], ...]:
    """Two decayed counters as one, at the later of their times: a late event adds what is left of it by then."""
    if not a or not b:
        return a or b
    joined = []
    for (left, left_at), (right, right_at), half_life in zip(a, b, half_lives, strict=False):
        if left_at >= right_at:
            joined.append((left + right * 2.0 ** ((right_at - left_at) / half_life), left_at))
        else:
            joined.append((right + left * 2.0 ** ((left_at - right_at) / half_life), right_at))
    return tuple(joined)


def merge(survivor: ContactState, other: ContactState, model: Model) -> ContactState:
    """Both histories as one contact's. Its booked values are the sums of both; bookings.py books the difference."""
    vouched = {key for each in (survivor, other) for key in each.keys if key not in each.claimed}
    known = dict(survivor.known)
    for name, word in other.known.items():
        tell(known, name, word.value, word.at, public=word.public)
    orders = dict(survivor.orders)
    for order_id, order in other.orders.items():
        orders[order_id] = _one_order(orders.get(order_id), order)
    settled, settled_orders = survivor.settled + other.settled, survivor.settled_orders + other.settled_orders
    orders, settled, settled_orders = bounded(orders, settled, settled_orders)
    return _replace(
        survivor,
        version=survivor.version + other.version,
        keys=tuple(dict.fromkeys((*survivor.keys, *other.keys))),
        claimed=tuple(key for key in dict.fromkeys((*survivor.claimed, *other.claimed)) if key not in vouched),
        created=min(survivor.created, other.created),
        lead=survivor.lead + other.lead,
        customer=survivor.customer + other.customer,
        clock=max(survivor.clock, other.clock),
        known=known,
        counters=_joined(survivor.counters, other.counters, model.half_lives),
        captured=later(survivor.captured, other.captured),
        first_source=min(filter(None, (survivor.first_source, other.first_source)), default=None),
        converted=later(survivor.converted, other.converted),
        touched=later(survivor.touched, other.touched),
        orders=orders,
        settled=settled,
        settled_orders=settled_orders,
    )
