"""A mail that a stranger may read, or has caused, holds nothing that is stored and no message of his own."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from services.nurture.channels.email.content import Template, load_templates, render
from services.nurture.channels.email.settings import MailServer
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.deliveries.followup import Addressee
from services.nurture.domain.mail.recipient import Recipient, recipient_of
from services.nurture.domain.mail.stranger import as_said, may_be_told, name_like
from tests.unit.nurture.builders import NOW, a_contact, a_workflow, an_event, an_id, an_update, begun

SERVER = MailServer("localhost", 25, "none", None, None, "hello@example.com", "Ada", 4)
STORED = a_contact(name="Stored Secret", interest="hoarded", email="victim@example.com", traits={"company": "Vault"})


def a_mail(*, trust: str = "public", **data: Any) -> NewDelivery:
    update = an_update(contact=STORED, lead=77_777)
    said = {"identity": {"email": "victim@example.com"}} | data
    happening = replace(update.event, trust=trust, data=said)
    workflow = a_workflow({"send": {"email": "t", "fallback": {"webhook": "crm"}}})
    return begun(workflow, replace(update, event=happening)).deliveries[0]


def everything(folder: Path) -> Template:
    (folder / "templates").mkdir()
    whole = "{{ contact }} {{ event }} {{ reasons }} {{ lead_value }} {{ customer_value }} {{ recipient }} {{ window }}"
    (folder / "templates" / "t.txt").write_text(f"Subject: {{{{ contact.name }}}}\n{whole}", encoding="utf-8")
    return load_templates(folder)["t"]


def written(template: Template, mail: NewDelivery) -> str:
    message = render(template, mail.payload, mail.recipient, delivery_id=an_id("m"), server=SERVER, now=NOW)
    return f"{message['Subject']}\n{message.get_content()}"


def test_who_caused_a_mail_by_a_public_form_learns_nothing(tmp_path: Path) -> None:
    template = everything(tmp_path)
    text = written(template, a_mail(name="Mallory", order_id="A-1", interest="pricing"))
    assert "Mallory" in text
    assert "pricing" in text
    for stored in ("Stored", "hoarded", "Vault", "777", "A-1", str(STORED.id)):
        assert stored not in text
    assert "Stored Secret" in written(template, a_mail(trust="trusted"))


def test_what_strangers_said_of_a_customer_comes_to_her_as_names_alone(tmp_path: Path) -> None:
    """Her shop knows her address alone, and a form "knew" her name."""
    template, link = everything(tmp_path), "Win at evil.example"
    known = a_contact(
        email="ada@example.com", proven=True, name=link, interest="pricing", locale=link,
        traits={"company": link, "plan": "Pro 3000.example", "site": {"a": link}, "size": 3},
        hearsay=["name", "interest", "traits.company", "traits.locale", "traits.site", "traits.size", "traits.gone"],
    )  # fmt: skip
    update = an_update(contact=known)
    bought = replace(update.event, trust="trusted", data={"identity": {"email": "ada@example.com"}})
    mail = begun(a_workflow({"send": {"email": "t"}}), replace(update, event=bought)).deliveries[0]
    assert may_be_told(mail.payload.followup.data)
    text = written(template, mail)
    context = text.split("'hearsay'")[0]
    assert "evil" not in text
    assert "'interest': 'pricing'" in context
    assert "Pro 3000.example" in context, "what her shop said is told as it is"
    assert "'size': 3" in context


@given(st.text(max_size=100) | st.from_regex(r"[a-z]{1,5}[.:/ ]{1,3}[a-z0-9]{1,9}", fullmatch=True))
def test_a_name_is_no_message_and_no_link(text: str) -> None:
    name = name_like(text)
    if name is not None:
        assert len(name) <= 60
        assert re.search(r"[\d:/@\\#?&<>\x00-\x1f\x7f]|\w\.\w\w", name) is None
        assert name_like(name) == name


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "O'Brien", "D\u2019Angelo", "J.R. Smith-Jones", "Łukasz", "李小龍", "José"]
)
def test_names_stay_as_they_are(name: str) -> None:
    assert name_like(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "http://evil.example", "evil.example", "bit.ly", "Win at evil.com", "a@b", "Ada\nBcc: x", "Ada\u202e", "call 0190 123", "",
        "  ", "<b>", "evil.кom", "x\u200b", "evil\u3002com", "evil\u2024com", "evil\ua4f8com", "evil\ua78fcom", "evil\uff0ecom", "http\u02d0evil",
        "evil.c\u0353om", "www.evil.c\u00f6m", "{{ contact.email }}", "=1+1",
    ],
)  # fmt: skip
def test_what_is_no_name_is_left_out(text: str) -> None:
    assert name_like(text) is None


def test_a_long_name_is_cut() -> None:
    assert name_like("x" * 1000) == "x" * 60


@pytest.mark.parametrize(
    ("event", "trust", "contact", "expected"),
    [
        ("a@x.example", "trusted", {"email": "a@x.example"}, Recipient("a@x.example", named=True, proven=True)),
        ("a@x.example", "public", {"email": "a@x.example"}, Recipient("a@x.example", named=True, proven=False)),
        (
            "a@x.example",
            "public",
            {"email": "a@x.example", "proven": True},
            Recipient("a@x.example", named=True, proven=True),
        ),
        (
            "b@x.example",
            "public",
            {"email": "a@x.example", "proven": True},
            Recipient("b@x.example", named=True, proven=False),
        ),
        (None, "trusted", {"email": "a@x.example"}, Recipient("a@x.example", named=False, proven=False)),
        (None, "trusted", {"email": "a@x.example", "proven": True}, Recipient("a@x.example", named=False, proven=True)),
        (None, "trusted", {"email": None}, Recipient(None, named=False, proven=False)),
    ],
)
def test_whose_address_it_is(event: str | None, trust: Any, contact: dict[str, Any], expected: Recipient) -> None:
    happening = replace(an_event(identity={"email": event} if event else {}), trust=trust)
    assert recipient_of(happening, a_contact(**contact)) == expected


@pytest.mark.parametrize(
    ("recipient", "trust", "told"),
    [
        ({"proven": True}, "trusted", True),
        ({"proven": True}, "public", False),
        ({"proven": False}, "trusted", False),
        ({}, "trusted", False),
    ],
)
def test_who_may_be_told_what_is_stored(recipient: dict[str, bool], trust: str, told: bool) -> None:
    content = a_mail(trust=trust).payload.followup.data
    addressee = Addressee("ada@example.com", named=True, **recipient) if recipient else None
    assert may_be_told(structs.replace(content, recipient=addressee)) is told


def test_an_event_that_names_another_says_nothing_to_this_address() -> None:
    content = a_mail(name="Mallory").payload.followup.data
    assert as_said(content)["contact"]["name"] == "Mallory"
    assert content.recipient is not None
    content = structs.replace(content, recipient=structs.replace(content.recipient, named=False))
    assert as_said(content)["contact"]["name"] is None
    assert as_said(content)["event"]["data"] == {}


def test_of_what_an_event_holds_deeper_only_traits_are_looked_into() -> None:
    deeper: dict[str, Any] = {
        "traits": {"company": "Analytical Engines", "traits": {"company": "Hidden"}},
        "other": {"company": "Hidden"},
    }
    told = as_said(a_mail(**deeper).payload.followup.data)
    assert told["contact"]["traits"] == {"company": "Analytical Engines"}
    assert told["contact"]["company"] == "Analytical Engines"
    assert "Hidden" not in str(told)


def test_webhooks_say_whether_the_address_is_proven() -> None:
    mail = a_mail(name="Mallory")
    fallback = fallback_of(mail, "capped", NOW)
    assert fallback is not None
    for payload in (mail.payload, fallback.payload):
        data = msgspec.json.decode(payload)["data"]
        assert data["recipient"] == {"email": "victim@example.com", "named": True, "proven": False}
        assert data["contact"].get("proven") is False
        assert data["event"]["trust"] == "public"
        assert data["contact"]["name"] == "Stored Secret"  # a receiver is ours: it may know, and is warned


def test_a_mail_instead_of_a_webhook_goes_where_the_mail_would_have_gone() -> None:
    workflow = a_workflow({"send": {"webhook": "crm", "purpose": "orders", "fallback": {"email": "t"}}})
    update = an_update(identity={"email": "form@example.com"})
    public = replace(update, event=replace(update.event, trust="public"))
    fallback = fallback_of(begun(workflow, public).deliveries[0], "answered 500", NOW)
    assert fallback is not None
    assert (fallback.recipient, fallback.purpose) == ("form@example.com", "orders")
    assert fallback.public_source == "/sources/website"
