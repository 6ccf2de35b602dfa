import json
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.deliveries.followup import LARGEST, Person, instead
from services.nurture.domain.deliveries.trimming import written
from services.nurture.domain.workflow import Target
from shared.events.updates import ContactView
from tests.unit.nurture.builders import NOW, a_contact, a_workflow, an_update, begun, minutes

S = TypeVar("S", bound=Struct)
DOCS = Path(__file__).parents[4] / "docs"
WORKFLOW = a_workflow(
    {"send": {"webhook": "marketing-automation", "deadline": "5m", "fallback": {"webhook": "on-call"}}}
)


def body_of(**changes: Any) -> dict[str, Any]:
    [delivery] = begun(WORKFLOW, an_update(**changes)).deliveries
    body: dict[str, Any] = json.loads(delivery.payload)
    return body


def test_what_a_receiver_gets() -> None:
    body = body_of(lead=51_234, message="Hello", interest="pricing")
    assert body["type"] == "followup.requested"
    assert body["timestamp"] == "2026-03-02T10:00:00Z"
    data = body["data"]
    assert data["contact"]["email"] == "ada@example.com"
    assert data["contact"]["company"] == "Analytical Engines"
    assert data["contact"]["traits"]["size"] == 12
    assert data["lead_value"] == {"amount": "512.34", "currency": "EUR"}
    assert data["customer_value"] == {"amount": "0.00", "currency": "EUR"}
    assert data["reasons"] == [{"value": "lead", "factor": "prior", "amount": {"amount": "512.34", "currency": "EUR"}}]
    assert (data["workflow"], data["step"], data["target"]) == ("sample", "0", "marketing-automation")
    assert data["event"]["type"] == "lead.captured"
    assert data["event"]["data"] == {"message": "Hello", "interest": "pricing"}
    assert data["deadline"] == "2026-03-02T10:05:00Z"
    assert data["window"]["closes_at"] == "2026-03-02T11:00:00Z"
    assert "trimmed" not in data


def test_what_the_fallback_gets() -> None:
    [delivery] = begun(WORKFLOW).deliveries
    fallback = fallback_of(delivery, "answered 500", NOW + minutes(4))
    assert fallback is not None
    body = json.loads(fallback.payload)
    assert body["type"] == "followup.fallback"
    assert body["data"]["delivery"] == str(fallback.id)
    assert body["data"]["contact"]["email"] == "ada@example.com"
    assert body["data"]["instead_of"] == {
        "delivery": str(delivery.id),
        "step": "0",
        "channel": "webhook",
        "target": "marketing-automation",
        "deadline": "2026-03-02T10:05:00Z",
        "reason": "answered 500",
    }


def test_the_docs_say_how_large_a_body_may_be() -> None:
    said = re.findall(r"always under (\d+) KB", (DOCS / "deliveries.md").read_text(encoding="utf-8"))
    assert [int(kilobytes) * 1000 for kilobytes in said] == [LARGEST]


def test_a_long_message_is_cut_and_says_so() -> None:
    data = body_of(message="x" * 30_000)["data"]
    assert data["trimmed"] == ["event.data"]
    assert data["event"]["data"]["message"] == "x" * 999 + "…"
    assert data["contact"]["traits"]["size"] == 12


texts = st.text(max_size=300).map(lambda text: text * 100)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=50), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150)
@given(
    st.dictionaries(st.text(max_size=20), json_values, max_size=10),
    st.dictionaries(st.text(max_size=2000), json_values, max_size=100),
    texts,
)
def test_always_below_the_limit_with_the_address_whole(data: dict[str, Any], traits: dict[str, Any], text: str) -> None:
    contact = a_contact(traits=traits, name=text, interest=text, source=text, email="a" * 200 + "@example.com")
    event = {f"field {key}": value for key, value in data.items()}
    [delivery] = begun(WORKFLOW, an_update(contact=contact, **event, message=text)).deliveries
    assert len(delivery.payload) < LARGEST
    assert msgspec.json.decode(delivery.payload)["data"]["contact"]["email"] == contact.email
    fallback = fallback_of(delivery, text, NOW)
    assert fallback is not None
    assert len(fallback.payload) < LARGEST


def test_a_company_that_is_a_long_list_is_dropped_and_said() -> None:
    data = body_of(contact=a_contact(traits={"company": ["x" * 100] * 380}))["data"]
    assert data["contact"]["company"] is None
    assert data["contact"]["email"] == "ada@example.com"
    assert "contact.traits" in data["trimmed"]


@settings(max_examples=150)
@given(json_values, st.dictionaries(st.text(max_size=20), json_values, max_size=10), st.integers(1, 400))
def test_whatever_a_company_is_the_body_is_below_the_limit(company: Any, traits: dict[str, Any], times: int) -> None:
    for value in (company, [company] * times, {str(number): company for number in range(times)}):
        contact = a_contact(traits={**traits, "company": value})
        [delivery] = begun(WORKFLOW, an_update(contact=contact)).deliveries
        assert len(delivery.payload) < LARGEST
        assert msgspec.json.decode(delivery.payload)["data"]["contact"]["email"] == contact.email
        fallback = fallback_of(delivery, "answered 500", NOW)
        assert fallback is not None
        assert len(fallback.payload) < LARGEST


def test_the_last_cut_alone_fits_whatever_the_texts() -> None:
    nasty = "\x01" * 5000
    contact = a_contact(name=nasty, phone=nasty, email="\x01" * 300, stage=nasty, country=nasty, time_zone=nasty)
    [delivery] = begun(WORKFLOW, an_update(contact=contact, message=nasty)).deliveries
    assert len(delivery.payload) < LARGEST
    data = msgspec.json.decode(delivery.payload)["data"]
    assert data["contact"]["phone"] is None, "a cut address is somebody else's"
    assert "all but names and addresses" in data["trimmed"]


def test_a_template_sees_what_a_receiver_gets() -> None:
    [delivery] = begun(WORKFLOW, an_update(message="Hello", nested={"list": [1, None, 2.5]})).deliveries
    assert delivery.payload.followup.data.context == json.loads(delivery.payload)["data"]


def test_a_receiver_sees_of_a_contact_what_an_update_says_of_it() -> None:
    assert {*Person.__struct_fields__, "version", "created"} == {*ContactView.__struct_fields__, "company"}


@given(st.text("\x01😀a", max_size=2000))
def test_the_last_cut_fits_whatever_every_text_is(nasty: str) -> None:
    [delivery] = begun(WORKFLOW, an_update()).deliveries
    followup = _all_texts(delivery.payload.followup, nasty)
    missed = instead(followup, delivery.id, nasty, Target(nasty, nasty), reason=nasty, now=NOW)
    assert len(written(missed)) < LARGEST
    assert written(missed).followup.data.contact.id == followup.data.contact.id


def _all_texts(part: S, text: str) -> S:
    """Every text in it, and in what it holds, is this one."""
    changed: dict[str, Any] = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(value, Struct):
            changed[name] = _all_texts(value, text)
        elif isinstance(value, str) or (value is None and name not in ("deadline", "stopped_at")):
            changed[name] = text
    return structs.replace(part, **changed)
