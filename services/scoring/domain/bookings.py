"""Books every change of a value to the factor that made it, so that the bookings always sum to the value.

A lead's value is not linear in its factors, so they are changed one after the other in a fixed order, and each
difference of the *rounded* running value is booked: the sum is exact by construction (models.md, 2.5).
"""

from collections.abc import Callable

import msgspec

from services.scoring.domain.contact import ContactState
from services.scoring.domain.customer import value as customer_value
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model import Model
from services.scoring.domain.values import current, value
from shared.events.updates import Booking


def book(
    before: ContactState, after: ContactState, model: Model, *, merged: bool
) -> tuple[ContactState, list[Booking]]:
    """The state with its values brought up to date, and the bookings of both accounts.

    `before` is the contact before the event (after a merge: both as one, nothing booked for it yet), `after` the
    same after the event. Every `amount` is in base minor units; none is 0.
    """
    booked: list[Booking] = []
    lead = _lead(before, after, model, booked, merged=merged)
    customer = customer_value.value(after)
    if customer != after.customer:
        factor = "merge" if merged else "purchase" if customer > after.customer else "refund"
        booked.append(Booking("customer", factor, customer - after.customer, model.version))
    # A contact whose facts have to be read again stands at no version: so it is found and re-valued.
    version = model.version if current(after, model) else ""
    return msgspec.structs.replace(after, lead=lead, customer=customer, model=version), booked


def revalue(state: ContactState, model: Model) -> tuple[ContactState, list[Booking]]:
    """The state valued by another model as of its latest event, and the bookings of the difference.

    Its facts are `current`: they hold all that the model asks for.
    """
    new = value(state, model, state.clock)
    lead = Booking("lead", "model", new.lead - state.lead, model.version)
    customer = Booking("customer", "model", new.customer - state.customer, model.version)
    booked = [each for each in (lead, customer) if each.amount]
    return msgspec.structs.replace(state, lead=new.lead, customer=new.customer, model=model.version), booked


def _lead(before: ContactState, after: ContactState, model: Model, booked: list[Booking], *, merged: bool) -> int:
    """The lead value after the event; books how it came about."""
    running = after.lead

    def step(factor: str, new: int) -> None:
        nonlocal running
        if new != running:
            booked.append(Booking("lead", factor, new - running, model.version))
            running = new

    if not after.open_lead:
        step("converted" if after.converted is not None else "closed", 0)
        return running
    new = lead_value.parts(after, model, after.clock)
    if not before.open_lead:
        _open(new, step)
        return running
    old = lead_value.parts(before, model, before.clock)
    # Whatever the numbers below do not explain: the other contact's share, or another version of the model.
    step("merge" if merged else "model", lead_value.value(old))
    cooled = old._replace(engagement=lead_value.engagement(before, model, after.clock), recency=new.recency)
    step("time", lead_value.value(cooled))
    step("traits", lead_value.value(cooled := cooled._replace(fit=new.fit)))
    step("engagement", lead_value.value(cooled := cooled._replace(engagement=new.engagement)))
    step("source", lead_value.value(cooled := cooled._replace(prior=new.prior)))
    step("revenue", lead_value.value(cooled := cooled._replace(revenue=new.revenue)))
    step("cost", lead_value.value(cooled._replace(cost=new.cost)))
    return running


def _open(new: lead_value.Parts, step: Callable[[str, int], None]) -> None:
    """A lead begins: what its source alone makes it worth, then everything else on top."""
    parts = lead_value.Parts(prior=new.prior, fit=0.0, engagement=0.0, recency=0.0, revenue=new.revenue, cost=0)
    step("source", lead_value.value(parts))
    step("traits", lead_value.value(parts := parts._replace(fit=new.fit)))
    step("engagement", lead_value.value(parts := parts._replace(engagement=new.engagement)))
    step("time", lead_value.value(parts := parts._replace(recency=new.recency)))
    step("cost", lead_value.value(parts._replace(cost=new.cost)))
