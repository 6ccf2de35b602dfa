"""A repeated lead: not enrolled, because the contact is or lately was, but a person is notified."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.nurture.domain.context import ContactUpdate
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.deliveries.followup import REPEATED
from services.nurture.domain.deliveries.new_delivery import new_delivery
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.workflow import Outlet, Target, Workflow

MOST_A_DAY: Final = 5  # per contact and workflow; further ones only appear in the list of refusals
_SUFFIX: Final = "/repeated/"


def repeated(
    workflow: Workflow, run: Enrolment, update: ContactUpdate, now: datetime, *, task: Target | None, rep: str | None
) -> NewDelivery | None:
    """The delivery that notifies somebody of the lead; None when the workflow writes only to the contact.

    `task`: an open one of that enrolment, `rep`: who has it, and is notified first. Otherwise it goes where the
    workflow's first webhook or task goes. It belongs to `run`, and has neither deadline nor fallback.
    """
    first = next(outlets(workflow), None)
    target = task or (first.target if first is not None else None)
    if target is None:
        return None
    step = f"{first.step if first is not None else target.name}{_SUFFIX}{update.event.id}"
    about = replace(run, contact=update.contact, values=update.values, trigger=update.event, reasons=update.bookings)
    if rep is not None:
        assign: tuple[str, ...] = (rep,)
    else:
        assign = first.assign if first is not None and first.target == target else ()
    return new_delivery(about, step, target, now=now, lane="live", assign=assign, kind=REPEATED)


def outlets(workflow: Workflow) -> Iterator[Outlet]:
    """The steps that reach one of us, in the order in which an enrolment meets them."""
    seen: set[str] = set()
    ahead = [workflow.first]
    while ahead:
        position = ahead.pop()
        if position is None or position in seen:
            continue
        seen.add(position)
        step = workflow.steps[position]
        outlet = step.outlet()
        if outlet is not None:
            yield outlet
        ahead += reversed(step.leads_to())
