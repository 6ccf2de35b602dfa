"""Folds events into a contact's state, and merges two contacts. Pure; the order of events does not matter.

No model is involved: values are computed from the state (values.py), and booked (bookings.py).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from services.scoring.domain.contact import engagement
from services.scoring.domain.contact.bounds import LONGEST_TEXT
from services.scoring.domain.contact.consent import heard, name_of
from services.scoring.domain.contact.contact import ContactState, HalfLives, Word, later, tell
from services.scoring.domain.customer import orders, pricing
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.funnel import journey as way
from services.scoring.domain.model.sources import short_name
from services.scoring.domain.trust import as_a_machines, believed, happened, proves_address, robot
from shared.events.envelope import Event
from shared.events.types import (
    ConsentChanged,
    ContactAged,
    ContactIdentified,
    ContactTouched,
    EngagementRecorded,
    FeedbackGiven,
    LeadCaptured,
    PurchaseCompleted,
    PurchaseRefunded,
    ReferralMade,
)
from shared.money import exactly

_replace = msgspec.structs.replace
_BEFORE_ALL = -1e11  # seconds since 1970: any dated value outranks it


def fold(state: ContactState, event: Event, data: Any, half_lives: HalfLives) -> ContactState:
    """The state after the event; `version` grows by one. Orders are folded separately (`order_after`).

    `half_lives`: those of a contact that has not engaged in anything yet; any other keeps its own.
    Raises Permanent when the event can never be folded (an amount that is no number).
    """
    at = happened(event).timestamp()
    changes: dict[str, Any] = {"version": state.version + 1}
    if at > state.clock:
        changes["clock"] = at
    if state.machine is not None:
        data = as_a_machines(data)
    rule = _RULES.get(type(data))
    if rule is not None and believed(event, data):
        rule(state, event, data, half_lives, at, changes)
        if state.journey is not None:
            changes["journey"] = way.told(state.journey, data, at, short_name(event.source))
    if state.claimed and proves_address(event, data):
        proven = f"email:{data.identity.email or state.get('email')}"
        changes["claimed"] = tuple(key for key in state.claimed if key != proven)
    return _replace(state, **changes)


def order_key(event: Event, data: Any) -> OrderKey | None:
    """The key of the order that the event names: its shop and its id there. A public event names none."""
    if isinstance(data, PurchaseCompleted | PurchaseRefunded) and believed(event, data):
        return data.identity.shop or event.source, data.order_id
    return None


def order_after(order: Order | None, event: Event, data: Any) -> Order | None:
    """The order that the event names, after it; None when it names none. Raises Permanent as `fold` does."""
    if isinstance(data, PurchaseCompleted):
        return orders.as_one(order, orders.bought(data, happened(event).timestamp()))
    if isinstance(data, PurchaseRefunded):
        return orders.as_one(order, orders.returned(data, order))
    return None


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
    state: ContactState, event: Event, data: LeadCaptured, _half_lives: HalfLives, at: float, changes: dict[str, Any]
) -> None:
    if robot(data):  # no lead to follow up
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
        exactly(estimate.amount)
        tell(known, "estimate", [estimate.amount, estimate.currency, event.source], at, public=public)
    changes["known"] = known
    changes["captured"] = later(state.captured, at)
    changes["first_source"] = min(filter(None, (state.first_source, (at, event.source))))


def _by_a_robot(state: ContactState, data: Any, changes: dict[str, Any]) -> None:
    """The lead is kept and shown by its address; nothing already known changes."""
    if state.version == 0:
        changes["known"] = _identity(state, data, _BEFORE_ALL, public=True)


def _identified(
    state: ContactState,
    event: Event,
    data: ContactIdentified,
    _half_lives: HalfLives,
    at: float,
    changes: dict[str, Any],
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
    state: ContactState,
    _event: Event,
    data: EngagementRecorded,
    half_lives: HalfLives,
    at: float,
    changes: dict[str, Any],
) -> None:
    _did(state, data.kind, data, half_lives, at, changes)


def _did(state: ContactState, kind: str, data: Any, half_lives: HalfLives, at: float, changes: dict[str, Any]) -> None:
    """Count one engagement of this kind."""
    mine = state.half_lives if state.engaged else half_lives
    new = engagement.one(kind, data.human_likelihood, at, mine)
    if new:
        changes["half_lives"], changes["engaged"] = mine, engagement.joined(state.engaged, new, mine)


def _bought(
    state: ContactState,
    event: Event,
    data: PurchaseCompleted,
    _half_lives: HalfLives,
    at: float,
    changes: dict[str, Any],
) -> None:
    changes["known"] = _identity(state, data, at, public=event.trust == "public")
    if exactly(data.amount) > 0:
        changes["converted"] = later(state.converted, at)


def _touched(
    state: ContactState, _event: Event, data: ContactTouched, _half_lives: HalfLives, at: float, changes: dict[str, Any]
) -> None:
    if not data.human:
        return
    changes["touched"] = later(state.touched, at)
    if data.outcome == "reached":
        changes["reached"] = later(state.last_reached, at)
    else:
        changes["reached"], changes["tried"] = state.last_reached, later(state.tried, at)


def _aged(
    state: ContactState, _event: Event, _data: ContactAged, _half_lives: HalfLives, at: float, changes: dict[str, Any]
) -> None:
    changes["swept"] = max(state.swept, at)


def _consented(
    state: ContactState, event: Event, data: ConsentChanged, _half_lives: HalfLives, _at: float, changes: dict[str, Any]
) -> None:
    known = dict(state.known)
    _consent(known, state, event, data)
    changes["known"] = known


def _said(
    state: ContactState, event: Event, data: FeedbackGiven, half_lives: HalfLives, at: float, changes: dict[str, Any]
) -> None:
    known = dict(state.known)
    tell(known, data.kind, data.score, at, public=event.trust == "public")
    changes["known"] = known
    _did(state, "feedback_given", data, half_lives, at, changes)


def _referred(
    state: ContactState, _event: Event, data: ReferralMade, half_lives: HalfLives, at: float, changes: dict[str, Any]
) -> None:
    _did(state, "referral_made", data, half_lives, at, changes)


_Rule = Callable[[ContactState, Event, Any, HalfLives, float, dict[str, Any]], None]
_RULES: Final[Mapping[type, _Rule]] = {
    LeadCaptured: _lead,
    ContactIdentified: _identified,
    EngagementRecorded: _engaged,
    PurchaseCompleted: _bought,
    ContactTouched: _touched,
    ConsentChanged: _consented,
    FeedbackGiven: _said,
    ReferralMade: _referred,
    ContactAged: _aged,
}


def _cost(a: ContactState, b: ContactState) -> int | None:
    """That of the one who asked first, until the costs are spread again: the other is no lead of its own any more."""
    first = min((each for each in (a, b) if each.first_source is not None), key=_asked, default=a)
    return first.cost


def _asked(state: ContactState) -> tuple[float, str]:
    return state.first_source or (math.inf, "")


def merge(survivor: ContactState, other: ContactState) -> ContactState:
    """Both states as one contact's. Booked values and sums add up; orders are joined separately."""
    vouched = {key for each in (survivor, other) for key in each.keys if key not in each.claimed}
    known = dict(survivor.known)
    for name, word in other.known.items():
        tell(known, name, word.value, word.at, public=word.public)
    half_lives, engaged = engagement.merged(survivor, other)
    return _replace(
        survivor,
        version=survivor.version + other.version,
        keys=tuple(dict.fromkeys((*survivor.keys, *other.keys))),
        claimed=tuple(key for key in dict.fromkeys((*survivor.claimed, *other.claimed)) if key not in vouched),
        created=min(survivor.created, other.created),
        lead=survivor.lead + other.lead,
        customer=survivor.customer + other.customer,
        clock=max(survivor.clock, other.clock),
        swept=max(survivor.swept, other.swept),
        # Until both are valued as one: the tier of the larger value, whichever survives.
        tier=max((bool(each.tier), each.customer, each.tier) for each in (survivor, other))[2],
        foreign=tuple(dict.fromkeys((*survivor.foreign, *other.foreign))),
        known=known,
        half_lives=half_lives,
        engaged=engaged,
        captured=later(survivor.captured, other.captured),
        first_source=min(filter(None, (survivor.first_source, other.first_source)), default=None),
        converted=later(survivor.converted, other.converted),
        touched=later(survivor.touched, other.touched),
        reached=later(survivor.last_reached, other.last_reached),
        tried=later(survivor.tried, other.tried),
        cost=_cost(survivor, other),
        referred=survivor.referred + other.referred,
        machine=later(survivor.machine, other.machine) if None not in (survivor.machine, other.machine) else None,
        journey=way.together(survivor.journey, other.journey),
        qualified=min((each.qualified for each in (survivor, other) if each.qualified is not None), default=None),
        **pricing.together(survivor, other),
    )
