"""What a contact is worth: its state, seen by one model at one moment. Pure."""

from typing import Any

from services.scoring.domain.contact.contact import FORM, ContactState
from services.scoring.domain.customer import value as customer_value
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from services.scoring.domain.trust import believed, happened
from shared.events.envelope import Event
from shared.events.types import LeadCaptured, PurchaseCompleted, PurchaseRefunded
from shared.events.updates import Values
from shared.money import Money


def value(state: ContactState, model: Model, now: float) -> Values:
    """Lead value and customer value at `now`, in seconds since 1970. The contact's orders are priced by `model`."""
    lead = lead_value.value(lead_value.parts(state, model, now)) if state.open_lead else 0
    return Values(lead, customer_value.value(state, model, now))


def missing_rate(event: Event, data: Any, model: Model) -> str | None:
    """The currency of the event's money, if it has no rate on its day: it counts 0 until there is one."""
    money = data.estimated_value if isinstance(data, LeadCaptured) else data
    if not isinstance(money, Money | PurchaseCompleted | PurchaseRefunded) or not believed(event, data):
        return None
    return money.currency if model.pricing.rates.on(money.currency, happened(event).date()) is None else None


def unconverted(state: ContactState, model: Model) -> list[str]:
    """The currencies in which the contact's orders and its estimate wait for a rate."""
    estimate = lead_value.unconverted(state, model)
    return sorted({*state.unconverted, *([estimate] if estimate is not None else ())})


def current(state: ContactState, model: Model) -> bool:
    """Whether `model` can value the state as it is, without reading events or orders again."""
    return state.form == FORM and counted(state, model) and state.priced in ("", model.pricing.version)


def counted(state: ContactState, model: Model) -> bool:
    """Whether its journey is known, and its engagement is counted with the model's half-lives."""
    return state.journey is not None and (not state.engaged or state.half_lives == model.scorecard.half_lives)
