import re
from typing import Any

import pytest

from services.nurture.domain.context import Context
from services.nurture.language.conditions import compile_condition
from shared.events.types import DATA_TYPES
from shared.events.updates import Values
from tests.unit.nurture.builders import NOW, a_contact, an_event


def facts(event_type: str = "lead.captured", *, lead: int = 0, contact: Any = None, **data: Any) -> Context:
    return Context(contact or a_contact(), Values(lead, 12_345), an_event(event_type, **data), NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('contact.country == "DE"', True),
        ("contact.country in ['DE', 'AT']", True),
        ("lead.value >= 500.00", True),
        ("lead.value >= 500", True),
        ("lead.value > 500.0", False),
        ("customer.value == 123.45", True),
        ("contact.traits.size > 10 && contact.purchases == 0", True),
        ('contact.company.startsWith("Analytical")', True),
        ('event.campaign.source == ""', True),
        ('event.form == "" && !has(contact.traits.nothing)', True),
        ('event.type == "lead.captured" && now - event.time < duration("1h")', True),
        ('event.trust == "trusted"', True),
        ("['a', 'b'].exists(x, x == 'b')", True),
        ('contact["country"] == "DE" && contact.name == "Ada"', True),
        ("[contact].exists(each, each.name == 'Ada')", True),
        ('contact . name == "contact.name" || contact.email.contains("@")', True),
        ('event.campaign.medium == "lead.nonsense"', False),
    ],
)
def test_what_a_condition_sees(text: str, expected: bool) -> None:
    assert compile_condition(text, "lead.captured")(facts(lead=50_000)) is expected


def test_unknown_fields_have_the_empty_value_of_their_kind() -> None:
    unknown = a_contact(country=None, email=None, traits={})
    for text in ['contact.country != "XX"', 'contact.email == ""', 'contact.company == ""', "!event.human"]:
        assert compile_condition(text, "contact.touched")(facts("contact.touched", contact=unknown)) is True


def test_money_in_events_is_a_number() -> None:
    bought = facts("purchase.completed", amount="129.90", currency="EUR", items=[{"price": "9.95"}])
    for text in ["event.amount > 129.0", "event.margin == 0.0", "event.items[0].price == 9.95"]:
        assert compile_condition(text, "purchase.completed")(bought) is True
    asked = facts(estimated_value={"amount": "500.00", "currency": "EUR"})
    assert compile_condition("event.estimated_value.amount >= 500", "lead.captured")(asked) is True
    assert compile_condition("event.estimated_value.amount >= 500", "lead.captured")(facts()) is False


@pytest.mark.parametrize(
    "text",
    ["contact.traits.nothing > 1", "contact.name > 3", "contact.name", "1 / contact.purchases > 0", "lead.value"],
)
def test_what_cannot_be_decided_does_not_hold_and_is_counted(text: str) -> None:
    counted: list[str] = []
    condition = compile_condition(text, "lead.captured", undecided=counted.append)
    assert condition(facts()) is False
    assert counted == [text]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lead.value >=", "not a CEL expression: column"),
        ("contact.contry == 'DE'", "contact has no field 'contry'"),
        ("event.human", "event of lead.captured has no field 'human'"),
        ("lead.worth > 1", "lead has no field 'worth'"),
        ("value > 1", "'value' is unknown"),
        ("'always'", "a text is always the same"),
        ("true || " * 200 + "true", "longer than 1000"),
    ],
)
def test_mistakes_are_named_before_anything_runs(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        compile_condition(text, "lead.captured")


@pytest.mark.parametrize("event_type", sorted(DATA_TYPES))
def test_every_event_type_has_its_fields(event_type: str) -> None:
    for name in DATA_TYPES[event_type].__struct_fields__:
        counted: list[str] = []
        compile_condition(f"event.{name} == event.{name}", event_type, undecided=counted.append)(facts(event_type))
        assert counted == []
