import email
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nurture.channels.email.content import LARGEST, load_templates, render, template_names
from services.nurture.channels.email.settings import MailServer
from services.nurture.domain.deliveries.followup import Written
from shared.errors import ConfigurationError, Permanent
from tests.unit.nurture.builders import NOW, a_contact, a_workflow, an_id, an_update, begun

SHIPPED = Path(__file__).parents[4] / "config"
SERVER = MailServer("localhost", 25, "none", None, None, "hello@example.com", "Ada, of Firsthour", 4)
WORKFLOW = a_workflow({"send": {"email": "thanks"}})


def payload(**changes: Any) -> Written:
    [delivery] = begun(WORKFLOW, an_update(**changes)).deliveries
    return delivery.payload


def template_of(folder: Path, text: str, html: str | None = None) -> Any:
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "t.txt").write_text(text, encoding="utf-8")
    if html is not None:
        (folder / "templates" / "t.html").write_text(html, encoding="utf-8")
    return load_templates(folder)["t"]


def as_received(message: EmailMessage) -> EmailMessage:
    found = email.message_from_bytes(message.as_bytes(), policy=default)
    assert isinstance(found, EmailMessage)
    return found


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


def rendered(template: Any, body: Written) -> EmailMessage:
    address = body.followup.data.address
    return as_received(render(template, body, address, delivery_id=an_id("mail"), server=SERVER, now=NOW))


def test_the_shipped_thanks() -> None:
    templates = load_templates(SHIPPED)
    assert template_names(SHIPPED) == set(templates)
    message = rendered(templates["thanks"], payload(contact=a_contact(name="Ada <b>", interest="pricing")))
    assert message["Subject"] == "Thank you, Ada <b>: we are on it"
    assert message["From"] == '"Ada, of Firsthour" <hello@example.com>'
    assert message["To"] == "ada@example.com"
    assert message["Message-ID"] == f"<{an_id('mail')}@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "about pricing" in part(message, "plain")
    assert "Hello Ada <b>," in part(message, "plain")
    assert "Hello Ada &lt;b&gt;," in part(message, "html")


def test_the_shipped_ones_for_customers() -> None:
    body = payload(order_id="A-1", amount="10.00", currency="EUR", items=[{"name": "Lamp", "quantity": 2}])
    message = rendered(load_templates(SHIPPED)["thank-customer"], body)
    assert message["Subject"] == "Thank you for your order A-1"
    assert "of 10.00 EUR" in part(message, "plain")
    assert "2 x Lamp" in part(message, "plain")
    assert "A-1" in part(rendered(load_templates(SHIPPED)["cross-sell"], body), "plain")


def test_every_shipped_template_does_without_anything_known() -> None:
    bare = a_contact(name=None, interest=None, country=None, traits={})
    for template in load_templates(SHIPPED).values():
        text = part(rendered(template, payload(contact=bare)), "plain")
        assert "None" not in text
        assert "  " not in text.replace("\n", "")


@given(st.text(max_size=300))
def test_no_text_breaks_out_of_the_headers(name: str) -> None:
    template = load_templates(SHIPPED)["thanks"]
    body = payload(contact=a_contact(name=name))
    message = render(template, body, "ada@example.com", delivery_id=an_id("mail"), server=SERVER, now=NOW)
    received = as_received(message)
    assert set(received.keys()) == set(message.keys())
    assert received["To"] == "ada@example.com"
    assert received["Bcc"] is None


def test_no_address_no_mail() -> None:
    with pytest.raises(Permanent, match="no e-mail address"):
        rendered(load_templates(SHIPPED)["thanks"], payload(contact=a_contact(email=None), identity={}))


def test_an_address_beyond_ascii() -> None:
    message = render(
        load_templates(SHIPPED)["thanks"],
        payload(),
        "jürgen@xn--mller-kva.example",
        delivery_id=an_id("mail"),
        server=SERVER,
        now=NOW,
    )
    assert "jürgen@".encode() in message.as_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ contact.__class__.__mro__ }}{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ contact.update({'email': 'x'}) }}",
        "{{ 1 / 0 }}",
        "{{ contact.name + 1 }}",
        "{% include 'other' %}",
    ],
)
def test_a_template_that_does_harm_fails_with_a_reason(tmp_path: Path, text: str) -> None:
    with pytest.raises(Permanent, match="the template t"):
        rendered(template_of(tmp_path, f"Subject: x\n\n{text}"), payload())


def test_the_largest_part(tmp_path: Path) -> None:
    just = template_of(tmp_path, "Subject: x\n\n{% for a in range(1000) %}{{ 'x' * 100 }}{% endfor %}")
    assert len(part(rendered(just, payload()), "plain").strip()) == 100_000 < LARGEST


def test_mistakes_have_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "a.txt").write_text("Hello", encoding="utf-8")
    (folder / "b.txt").write_text("Subject: x\n\n\nHello\n{% if %}", encoding="utf-8")
    (folder / "c.html").write_text("<p>", encoding="utf-8")
    (folder / "d.txt").write_bytes(b"Subject: \xff")
    with pytest.raises(ConfigurationError) as raised:
        load_templates(tmp_path)
    found = [str(each).removeprefix(str(folder) + "/") for each in raised.value.problems]
    assert found[0] == "c.html: needs a plain-text part beside it: c.txt"
    assert found[1] == "a.txt:1: the first line must be `Subject: …`"
    assert found[2].startswith("b.txt:5: ")
    assert found[3] == "d.txt: not UTF-8 text"
