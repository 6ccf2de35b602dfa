"""Books every change of a value to the factor that made it, so that the bookings always sum to the value.

A lead's value is not linear in its factors, so they are changed one after the other in a fixed order, and each
difference of the *rounded* running value is booked: the sum is exact by construction (models.md, 2.5).
"""

from collections.abc import Callable

import msgspec

from services.scoring.domain import queue
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer import at_risk
from services.scoring.domain.customer import value as customer_value
from services.scoring.domain.customer.standing import cell
from services.scoring.domain.customer.tiers import NONE, tier
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.queue_settings import OF_CUSTOMERS
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
    customer = _customer(before, after, model, booked, merged=merged)
    # A contact whose events have to be read again has no version, so that it is found and re-valued.
    version = model.version if current(after, model) else ""
    return _valued(after, lead, customer, version, model), booked


def revalue(state: ContactState, model: Model) -> tuple[ContactState, list[Booking]]:
    """The state valued by another model as of the same moment, and the bookings of the difference.

    The state is `current`: it holds all that the model needs.
    """
    new = value(state, model, state.as_of)
    lead = Booking("lead", "model", new.lead - state.lead, model.lead_version)
    customer = Booking("customer", "model", new.customer - state.customer, model.version)
    booked = [each for each in (lead, customer) if each.amount]
    return _valued(state, new.lead, new.customer, model.version, model), booked


def aged(state: ContactState, model: Model, now: float) -> tuple[ContactState, list[Booking]]:
    """The state after the passing of time until `now`, and its bookings. `model` has valued it before."""
    state, followed = _followed(state, model)
    moved = msgspec.structs.replace(state, swept=max(state.swept, now))
    new = value(moved, model, moved.as_of)
    lead = Booking("lead", "time", new.lead - state.lead, model.lead_version)
    customer = Booking("customer", "time", new.customer - state.customer, model.version)
    booked = [each for each in (*followed, lead, customer) if each.amount]
    return _valued(moved, new.lead, new.customer, model.version, model), booked


def costed(state: ContactState, cost: int | None, model: Model) -> tuple[ContactState, list[Booking]]:
    """The state with another share of the recorded costs, and its booking. `model` has valued it before."""
    state, followed = _followed(state, model)
    moved = msgspec.structs.replace(state, cost=cost)
    lead = value(moved, model, moved.as_of).lead
    booked = [*followed, Booking("lead", "cost", lead - state.lead, model.lead_version)]
    return _valued(moved, lead, state.customer, model.version, model), [each for each in booked if each.amount]


def advocated(state: ContactState, referred: int, model: Model) -> tuple[ContactState, list[Booking]]:
    """The state with the margin of those it referred, and its booking. `model` has valued it before."""
    state, followed = _followed(state, model)
    moved = msgspec.structs.replace(state, referred=referred)
    customer = value(moved, model, moved.as_of).customer
    booked = [*followed, Booking("customer", "referral", customer - state.customer, model.version)]
    return _valued(moved, state.lead, customer, model.version, model), [each for each in booked if each.amount]


def _followed(state: ContactState, model: Model) -> tuple[ContactState, list[Booking]]:
    """The state at what the lead model has learnt online since it valued the lead, and the booking of that."""
    if not state.open_lead or state.step == model.step:
        return state, []
    lead = lead_value.value(lead_value.parts(state, model, state.as_of))
    booked = Booking("lead", "model", lead - state.lead, model.lead_version)
    return msgspec.structs.replace(state, lead=lead), [booked]


def _valued(state: ContactState, lead: int, customer: int, version: str, model: Model) -> ContactState:
    has = tier(customer, state.tier, model.scorecard.tiers) if state.paid_orders else NONE
    worth, curve, since, qualified = None, "", None, state.qualified
    if state.open_lead:  # the acquisition cost is sunk: it neither ranks nor judges it
        at_once = lead + lead_value.cost(state, model)
        if state.waits:
            worth, curve, since = queue.step(at_once), model.queue.curve_of(state.source), state.captured
        if qualified is None and at_once >= model.scorecard.qualified_at:
            qualified = state.as_of
    elif state.paid_orders and model.queue.customers.saved:
        worth, curve, since = _at_risk(msgspec.structs.replace(state, customer=customer), model)
    return msgspec.structs.replace(
        state,
        lead=lead,
        customer=customer,
        model=version,
        step=model.step if state.open_lead else "",
        tier=has,
        worth=worth,
        curve=curve,
        since=since,
        qualified=qualified,
        rfm=cell(state, model),
    )


def _at_risk(state: ContactState, model: Model) -> tuple[int | None, str, float | None]:
    """Where a customer waits whose next purchase is overdue, and since when, until one of us has reached it."""
    since, stake = at_risk.overdue_since(state, model), at_risk.at_stake(state, model)
    reached = state.last_reached
    if since is None or not stake or (reached is not None and reached >= since):
        return None, "", None
    return queue.step(stake), OF_CUSTOMERS, since


def _customer(before: ContactState, after: ContactState, model: Model, booked: list[Booking], *, merged: bool) -> int:
    """The customer value after the event; books each change to its factor.

    Of events only orders move it: what time alone changes is booked with the next one, or by the daily sweep
    (`contact.aged` is the sweep's own).
    """
    running = after.customer
    other_model = before.model != model.version
    aged = after.swept != before.swept
    bought = after.past != before.past or after.days is not before.days
    answered = after.known.get("nps") != before.known.get("nps")
    if not (merged or other_model or aged or bought or answered):
        return running

    def step(factor: str, new: int) -> None:
        nonlocal running
        if new != running:
            booked.append(Booking("customer", factor, new - running, model.version))
            running = new

    if not merged:
        if other_model:
            step("model", customer_value.value(before, model, before.as_of))
        step("time", customer_value.value(before, model, after.as_of))
    new = customer_value.value(after, model, after.as_of)
    if merged:
        step("merge", new)
    elif not bought:
        step("feedback", new)
    else:
        step("purchase" if new > running else "refund", new)
    return running


def _lead(before: ContactState, after: ContactState, model: Model, booked: list[Booking], *, merged: bool) -> int:
    """The lead value after the event; books each change to its factor."""
    running = after.lead

    def step(factor: str, new: int) -> None:
        nonlocal running
        if new != running:
            booked.append(Booking("lead", factor, new - running, model.lead_version))
            running = new

    if not after.open_lead:
        step("converted" if after.converted is not None else "closed", 0)
        return running
    new = lead_value.parts(after, model, after.as_of)
    if not before.open_lead:
        _open(new, step)
        return running
    if merged or before.model != model.version or before.step != model.step:
        # What the factors below do not explain: the other contact's share, or another version or step of the model.
        step("merge" if merged else "model", lead_value.value(lead_value.parts(before, model, before.as_of)))
    cooled = _cooled(before, after, new, model)
    step("time", lead_value.value(cooled))
    step("traits", lead_value.value(cooled := cooled._replace(fit=new.fit)))
    step("engagement", lead_value.value(cooled := cooled._replace(engagement=new.engagement)))
    step("source", lead_value.value(cooled := cooled._replace(prior=new.prior)))
    if new.together != cooled.together:
        step("together", lead_value.value(cooled := cooled._replace(together=new.together)))
    step("revenue", lead_value.value(cooled := cooled._replace(revenue=new.revenue)))
    step("cost", lead_value.value(cooled._replace(cost=new.cost)))
    return running


def _cooled(before: ContactState, after: ContactState, new: lead_value.Parts, model: Model) -> lead_value.Parts:
    """The parts before the event, at the time after it. Untouched parts are not computed twice."""
    told, did = after.known is not before.known, after.engaged is not before.engaged
    moved = after.first_source != before.first_source
    engagement, together = new.engagement, new.together
    if told or did or moved:
        engagement, together = lead_value.engagement_and_together(before, model, after.as_of)
    return lead_value.Parts(
        prior=lead_value.prior(before, model) if moved else new.prior,
        fit=lead_value.fit(before, model) if told else new.fit,
        engagement=engagement,
        recency=new.recency,
        together=together,
        revenue=lead_value.revenue(before, model) if told else new.revenue,
        cost=lead_value.cost(before, model),
    )


def _open(new: lead_value.Parts, step: Callable[[str, int], None]) -> None:
    """A new lead: book what its source alone makes it worth, then everything else on top."""
    parts = lead_value.Parts(
        prior=new.prior, fit=0.0, engagement=0.0, recency=0.0, together=0.0, revenue=new.revenue, cost=0
    )
    step("source", lead_value.value(parts))
    step("traits", lead_value.value(parts := parts._replace(fit=new.fit)))
    step("engagement", lead_value.value(parts := parts._replace(engagement=new.engagement)))
    step("time", lead_value.value(parts := parts._replace(recency=new.recency)))
    if new.together:
        step("together", lead_value.value(parts := parts._replace(together=new.together)))
    step("cost", lead_value.value(parts._replace(cost=new.cost)))
