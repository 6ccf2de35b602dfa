"""Values to test the rules with; each builder takes what the test cares about by keyword."""

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID, uuid5

import msgspec

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import FORM, ContactState
from services.scoring.domain.contact.fold import fold, merge, order_after, order_key
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.funnel.bottleneck import TARGETS
from services.scoring.domain.funnel.journey import SET_OUT
from services.scoring.domain.model.model import NOWHERE, Learnt, Model
from services.scoring.domain.model.pricing import Pricing
from services.scoring.domain.model.queue_settings import QueueSettings, ResponseCurve
from services.scoring.domain.model.rates import Rates
from services.scoring.domain.model.scorecard import AGAINST_NOTHING, FitRule, Scorecard, SourceModel
from shared.events.envelope import Decoded, Trust, make_event
from shared.events.identity import Identity
from shared.events.types import (
    DATA_TYPES,
    ContactIdentified,
    ContactTouched,
    CostRecorded,
    EngagementRecorded,
    FeedbackGiven,
    LeadCaptured,
    PurchaseCompleted,
    PurchaseRefunded,
    ReferralMade,
)
from shared.events.updates import Booking

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CURVE = ResponseCurve(0.019, 4.83, 0.876)
_IDS = UUID("00000000-0000-5000-8000-000000000000")
_TYPES = {kind: name for name, kind in DATA_TYPES.items()}


def an_id(name: object) -> UUID:
    return uuid5(_IDS, str(name))


_SCORECARD: Final = {each.name for each in fields(Scorecard)} - {"version"}


def a_model(**changes: Any) -> Model:
    """A model; each change goes into the part that it belongs to. `version` is the scorecard's."""
    said: dict[str, Any] = {
        "version": "scorecard-test",
        "odds": "",
        "pricing": "pricing-test",
        "rates": Rates("EUR", {"USD": ((date(2026, 1, 1), Decimal("0.86")), (date(2020, 1, 1), Decimal("0.9")))}),
        "sources": {"default": SourceModel(-2.94, 0), "website": SourceModel(-2.44, 200), "shop": SourceModel(-1.1, 0)},
        "against": AGAINST_NOTHING,
        "most_fit": math.inf,
        "most_engagement": math.inf,
        "own_half_life": {},
        "common": None,
        "fit": (
            FitRule("country", 0.35, frozenset({"de", "gb"}), None, None),
            FitRule("company", 0.35, None, None, present=True),
            FitRule("size", 0.52, None, 50.0, None),
        ),
        "half_lives": (86_400.0, 1_209_600.0),
        "engagement_weight": 0.35,
        "points": {"page_viewed": 1.0, "meeting_booked": 20.0},
        "default_points": 1.0,
        "recency_per_second": -0.05 / 86_400,
        "recency_floor": -2.0,
        "revenue": 120_000,
        "lead_margin": 1.0,
        "margin_rate": 0.35,
        "response": CURVE,
        "handling_minutes": 12.0,
        "horizon_months": 36,
        "monthly_discount": 0.008,
        "qualified_at": 20_000,
        "referral_share": 0.1,
        "promoter_share": 0.0,
        "detractor_share": 0.0,
        "targets": TARGETS,
        "tiers": (("gold", 200_000), ("silver", 50_000)),
        "curves": {},
        "home": NOWHERE,
        "lead": None,
        "customer": None,
    } | changes
    return Model(
        Scorecard(version=said["version"], **{name: said[name] for name in _SCORECARD}),
        Pricing(said["pricing"], said["rates"], said["margin_rate"]),
        QueueSettings("queue-test", said["response"], said["handling_minutes"], said["curves"]),
        Learnt(said["lead"], said["customer"]),
        said["home"],
        said["targets"],
    )


MODEL = a_model()


def a_contact(name: object = "ada", **changes: Any) -> ContactState:
    fields: dict[str, Any] = {"id": an_id(name), "created": NOW, "form": FORM, "journey": SET_OUT}
    return ContactState(**fields | changes)


def an_event(
    data: Any, *, name: object = None, at: datetime = NOW, received: datetime | None = None,
    source: str = "/sources/website", trust: Trust = "trusted",
) -> Decoded:  # fmt: skip
    event = make_event(
        id=an_id(name if name is not None else (data, at)),
        source=source,
        type=_TYPES[type(data)],
        time=at,
        receivedtime=received or at,
        subject=None,
        data=data,
        trust=trust,
    )
    return Decoded(cast("Any", event), data)


_WHERE = ("at", "received", "source", "trust")
_WHO = ("email", "phone", "user_id", "anonymous_id", "contact_id")


def _made(kind: Any, defaults: dict[str, Any], given: dict[str, Any]) -> Decoded:
    """An event of this kind: `email=…` and the like say whom, `at=…`, `source=…` and `event=…` when and where from."""
    event: dict[str, Any] = {name: given.pop(name) for name in _WHERE if name in given}
    event["name"] = given.pop("event", None)
    who = {name: given.pop(name) for name in _WHO if name in given} or {"email": "ada@example.com"}
    return an_event(kind(identity=Identity(**who), **defaults | given), **event)


def a_lead(**given: Any) -> Decoded:
    return _made(LeadCaptured, {}, given)


def an_identification(**given: Any) -> Decoded:
    return _made(ContactIdentified, {}, given)


def an_engagement(**given: Any) -> Decoded:
    return _made(EngagementRecorded, {"kind": "page_viewed"}, given)


def a_purchase(**given: Any) -> Decoded:
    return _made(PurchaseCompleted, {"order_id": "A-1", "amount": "100.00", "currency": "EUR"}, given)


def a_refund(**given: Any) -> Decoded:
    return _made(PurchaseRefunded, {"order_id": "A-1", "amount": "100.00", "currency": "EUR"}, given)


def a_referral(**given: Any) -> Decoded:
    return _made(ReferralMade, {"referred": Identity(email="eve@example.com")}, given)


def a_feedback(**given: Any) -> Decoded:
    return _made(FeedbackGiven, {"score": 9.0}, given)


def a_cost(**given: Any) -> Decoded:
    """`source` is the one that it names; `told_by` is the event's own."""
    event: dict[str, Any] = {name: given.pop(name) for name in _WHERE if name in given and name != "source"}
    event |= {"name": given.pop("event", None), "source": given.pop("told_by", "/sources/shop")}
    return an_event(CostRecorded(**{"amount": "100.00", "currency": "EUR"} | given), **event)


def a_touch(**given: Any) -> Decoded:
    return _made(ContactTouched, {"who": "ana", "channel": "phone", "human": True, "outcome": "reached"}, given)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@dataclass(frozen=True)
class Told:
    """A contact with its orders; whatever is asked of its state is asked of it."""

    state: ContactState
    orders: dict[OrderKey, Order] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.state, name)


def after(
    told: Told | ContactState, *events: Decoded, model: Model = MODEL, booked: list[Booking] | None = None
) -> Told:
    """The contact after the events, its values booked after each; every booking is added to `booked`."""
    state, orders = (told.state, dict(told.orders)) if isinstance(told, Told) else (told, {})
    for event, data in events:
        folded = fold(state, event, data, model.scorecard.half_lives)
        if (key := order_key(event, data)) is not None:
            order = order_after(orders.get(key), event, data)
            assert order is not None
            folded = pricing.reckon(folded, orders.get(key), order, model)
            orders[key] = order
        state, new = bookings.book(state, folded, model, merged=False)
        if booked is not None:
            booked += new
    return Told(state, orders)


def as_one(a: Told, b: Told, model: Model = MODEL) -> Told:
    """Both as one contact, nothing booked for it yet."""
    return Told(*pricing.join(merge(a.state, b.state), a.orders, b.orders, model))


def settled(told: Told, model: Model = MODEL, booked: list[Booking] | None = None) -> Told:
    """A merged contact with what the merge changed booked."""
    state, new = bookings.book(told.state, told.state, model, merged=True)
    if booked is not None:
        booked += new
    return Told(state, told.orders)


def total(booked: list[Booking], account: str) -> int:
    return sum(each.amount for each in booked if each.account == account)


_VALUED = {
    "lead",
    "customer",
    "worth",
    "curve",
    "since",
    "qualified",
    "tier",
}  # of the way there, too: a tier is lost late
_NOT_FACTS = {"id", "created", "version", "engaged", "keys"} | _VALUED


def facts(told: Told) -> dict[str, Any]:
    """What must be equal whatever the order: all but identity, booked values and the last bits of sums of floats."""
    known = msgspec.structs.asdict(told.state)
    counts = {kind: [round(each, 6) for each in counts] for kind, counts in told.engaged.items()}
    return {name: known[name] for name in known.keys() - _NOT_FACTS} | {"engaged": counts, "orders": told.orders}
