"""A contact that turns out to be a machine is worth nothing as a lead; undone, everything counts as it did."""

import msgspec
from hypothesis import given

from services.scoring.domain import bookings
from services.scoring.domain.contact.fold import fold, merge
from services.scoring.domain.contact.machine import judged
from services.scoring.domain.funnel.places import reached
from shared.events.envelope import Decoded
from shared.events.types import Consent
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_contact,
    a_lead,
    a_purchase,
    after,
    an_engagement,
    facts,
    minutes,
)
from tests.unit.scoring.contact.test_fold import histories

_SINCE = NOW.timestamp()


@given(histories())
def test_what_a_machine_did_counts_nothing_and_undone_it_counts_as_before(history: list[Decoded]) -> None:
    told = after(a_contact(), *history)
    machine = judged(told.state, history, _SINCE, MODEL)
    assert (machine.engaged, machine.captured, machine.open_lead) == ({}, None, False)
    assert (machine.past, machine.paid_orders, machine.known) == (told.past, told.paid_orders, told.known)
    valued, booked = bookings.revalue(machine, MODEL)
    assert (valued.lead, valued.worth) == (0, None)
    assert sum(each.amount for each in booked if each.account == "lead") == -told.lead
    undone = judged(valued, history, None, MODEL)
    assert facts(Told(undone, told.orders)) == facts(told)
    assert bookings.revalue(undone, MODEL)[0].lead == told.lead


def test_what_a_machine_does_later_counts_nothing_but_money_does() -> None:
    machine = msgspec.structs.replace(a_contact(), machine=_SINCE)
    for event, data in (an_engagement(), a_lead(at=NOW + minutes(1))):
        machine = fold(machine, event, data, MODEL.scorecard.half_lives)
    assert (machine.engaged, machine.captured, reached(machine)) == ({}, None, None)
    bought = after(machine, a_purchase(at=NOW + minutes(2)))
    assert bought.customer > 0


def test_who_is_merged_with_a_person_is_a_person() -> None:
    person, machine = a_contact("p"), msgspec.structs.replace(a_contact("m"), machine=_SINCE)
    assert merge(person, machine).machine is merge(machine, person).machine is None
    assert merge(machine, machine).machine == _SINCE


def test_what_was_said_while_a_person_was_taken_for_a_machine_counts_once_that_is_undone() -> None:
    before = a_lead(name="Ada", consent=Consent(email=True), event="before")
    meanwhile = a_lead(interest="boots", traits={"size": 60}, at=NOW + minutes(9), event="meanwhile")
    person = after(a_contact(), before)
    forgotten = {name: word for name, word in person.known.items() if not name.startswith("consent")}
    taken = judged(msgspec.structs.replace(person.state, known=forgotten), [before], _SINCE + 60, MODEL)
    machine = after(taken, meanwhile).state
    assert machine.get("interest") is None
    undone = judged(machine, [before, meanwhile], None, MODEL)
    assert (undone.get("interest"), undone.get("trait:size")) == ("boots", 60)
    assert undone.get("consent:email") is None, "what was let go of before does not come back"
