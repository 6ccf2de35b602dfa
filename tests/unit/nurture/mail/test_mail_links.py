"""Links in mails: only we can make one, it is for one thing, and it tells nothing of whoever has it."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs
from pydantic import ValidationError

from services.nurture.channels.email.content import load_templates
from services.nurture.channels.email.messages import composer
from services.nurture.channels.email.settings import EmailModel, MailServer
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.deliveries.followup import Waits
from services.nurture.domain.mail.confirmation import Granted, asks_first, granted
from services.nurture.domain.mail.links import CONFIRM_WITHIN, Kind, Link, expired, link_key, read_token, token_of
from services.nurture.domain.mail.recipient import Recipient
from services.nurture.domain.workflow import ConfirmFirst
from shared.errors import Permanent
from tests.unit.nurture.builders import NOW, a_given, a_workflow, an_event, an_update, begun

KEY = link_key(b"the secret of this installation")
SERVER = MailServer("localhost", 25, "none", None, None, "hello@example.com", "Ada", 4, links="https://m.example.com")
KINDS: tuple[Kind, ...] = ("confirm", "withdraw")
TIMES = st.integers(1_700_000_000, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
LINKS = st.builds(Link, st.sampled_from(KINDS), st.uuids(), st.uuids(), st.none() | TIMES)


@given(LINKS)
def test_a_token_says_what_was_put_into_it(link: Link) -> None:
    token = token_of(link, KEY)
    assert read_token(token, link.kind, KEY) == link
    assert token.replace("-", "").replace("_", "").isalnum(), "nothing in it has a meaning in a URL"


@given(LINKS, st.data())
def test_nobody_else_makes_one(link: Link, data: st.DataObject) -> None:
    token = token_of(link, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    changed = token[:place] + data.draw(st.sampled_from("AZaz09-_")) + token[place + 1 :]
    assert changed == token or read_token(changed, link.kind, KEY) is None
    assert read_token(token, link.kind, link_key(b"another installation")) is None
    (other,) = set(KINDS) - {link.kind}
    assert read_token(token, other, KEY) is None, "it is for one thing"


@given(st.text(max_size=100) | st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_stands_in_a_path_is_read(text: str) -> None:
    for kind in KINDS:
        assert read_token(text, kind, KEY) is None


@given(TIMES, st.integers(-(10**6), 10**6))
def test_a_link_ends_when_it_says(ends: datetime, seconds: int) -> None:
    link = Link("confirm", UUID(int=1), UUID(int=2), ends)
    assert expired(link, ends + timedelta(seconds=seconds)) is (seconds >= 0)
    assert not expired(replace(link, expires_at=None), ends), "to unsubscribe works for years"


def recipient(*, proven: bool, address: str | None = "ada@example.com") -> Recipient:
    return Recipient(address, named=True, proven=proven)


@pytest.mark.parametrize(
    ("rule", "purpose", "proven", "asks"),
    [
        ("purposes", "newsletter", False, True),
        ("purposes", "newsletter", True, False),
        ("purposes", "follow-up", False, False),  # the answer to what was asked
        ("everything", "follow-up", False, True),
        ("everything", "follow-up", True, False),
        ("nothing", "newsletter", False, False),
    ],
)
def test_who_is_asked_first(rule: ConfirmFirst, purpose: str, *, proven: bool, asks: bool) -> None:
    assert asks_first(rule, purpose, recipient(proven=proven)) is asks
    assert not asks_first(rule, purpose, recipient(proven=False, address=None))


@pytest.mark.parametrize(
    ("consent", "comes_to"),
    [
        ({"email": True, "wording": "Yes, write to me."}, [Granted(None, "Yes, write to me.")]),
        ({"purposes": {"Newsletter": True, "orders": False}}, [Granted("newsletter", None)]),
        ({"email": False, "purposes": {"all": True}}, []),  # the general word is the plain one
        ({"phone": True, "sms": True}, []),  # a click in a mail says nothing of a phone
        ({"email": False}, []),
        ({"email": "yes", "purposes": ["newsletter"], "wording": 1}, []),
        (None, []),
    ],
)
def test_a_click_grants_what_waited_for_it(consent: Any, comes_to: list[Granted]) -> None:
    public = structs.replace(an_event(consent=consent), trust="public")
    assert list(granted(public, "ada@example.com")) == comes_to
    assert granted(public, "eve@example.com") == (), "of the address that was named, and of no other"
    assert granted(structs.replace(public, trust="trusted"), "ada@example.com") == (), "that holds already"


def a_mail(*, trust: str = "public", confirm_first: str | None = None, **send: Any) -> NewDelivery:
    update = an_update(consent={"email": True})
    event = structs.replace(update.event, trust=trust)
    workflow = a_workflow({"send": send}, **({"confirm_first": confirm_first} if confirm_first else {}))
    return begun(workflow, structs.replace(update, event=event)).deliveries[0]


def test_a_mail_with_a_purpose_waits_and_the_question_goes_in_its_place() -> None:
    mail = a_mail(email="welcome", purpose="newsletter", fallback={"email": "other"})
    assert (mail.target, mail.purpose, mail.confirmation) == ("confirm", "newsletter", "asks")
    assert mail.payload.followup.data.waits == Waits("welcome", "newsletter")
    instead = fallback_of(mail, "it did not arrive", NOW)
    assert instead is not None
    assert instead.confirmation == "needs", "no other mail goes there either"
    for plain in (
        a_mail(email="welcome", purpose="newsletter", trust="trusted"),
        a_mail(email="thanks"),
        a_mail(email="welcome", purpose="newsletter", confirm_first="nothing"),
        a_mail(webhook="crm"),
    ):
        assert (plain.confirmation, plain.payload.followup.data.waits) == (None, UNSET)
    assert a_mail(email="thanks", confirm_first="everything").confirmation == "asks"


def test_only_after_a_webhook_s_fallback_has_to_be_confirmed() -> None:
    mail = a_mail(webhook="crm", purpose="newsletter", fallback={"email": "welcome"})
    assert (mail.target, mail.confirmation) == ("crm", "needs")


def composed(folder: Path, mail: NewDelivery, server: MailServer = SERVER) -> Any:
    (folder / "templates").mkdir(exist_ok=True)
    for name in ("confirm", "thanks"):
        text = "Subject: {{ contact.name }}\n{{ links.confirm }}|{{ links.unsubscribe }}|"
        (folder / "templates" / f"{name}.txt").write_text(text)
    given = a_given(target=mail.target, payload=mail.payload, recipient=mail.recipient, confirmation=mail.confirmation)
    return composer(load_templates(folder), {}, server, lambda: NOW, KEY)(given)


def test_mails_have_the_links_and_mail_programs_their_button(tmp_path: Path) -> None:
    message = composed(tmp_path, a_mail(email="thanks"))
    confirm, unsubscribe, _ = message.get_content().replace("\n", "").split("|")
    assert message["List-Unsubscribe"] == f"<{unsubscribe}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert unsubscribe.startswith("https://m.example.com/u/")
    assert f"\r\nList-Unsubscribe: <{unsubscribe}>\r\n".encode() in message.as_bytes(), "as it stands, in one line"
    assert max(map(len, message.get_payload().splitlines())) <= 78, "only headers have long lines"
    link = read_token(confirm.removeprefix("https://m.example.com/c/"), "confirm", KEY)
    assert link is not None
    assert (link.delivery, link.expires_at) == (a_given().id, NOW + CONFIRM_WITHIN)
    for url in (confirm, unsubscribe):
        assert "ada" not in url
        assert "example.com" not in url.removeprefix("https://m.example.com")


def test_a_mail_goes_to_its_own_recipient_and_not_to_what_else_is_known_of_the_contact(tmp_path: Path) -> None:
    mail = structs.replace(a_mail(email="thanks"), recipient="asked@example.com")
    assert mail.payload.followup.data.contact.email == "ada@example.com"
    assert composed(tmp_path, mail)["To"] == "asked@example.com"


def test_a_proven_address_is_not_asked(tmp_path: Path) -> None:
    message = composed(tmp_path, a_mail(email="thanks", trust="trusted"))
    assert message.get_content().startswith("|https://m.example.com/u/")


def test_without_an_address_of_ours_there_is_no_link_and_no_question(tmp_path: Path) -> None:
    nowhere = replace(SERVER, links=None)
    message = composed(tmp_path, a_mail(email="thanks"), nowhere)
    assert message["List-Unsubscribe"] is None
    assert message.get_content().strip() == "||"
    with pytest.raises(Permanent, match="nobody could confirm"):
        composed(tmp_path, a_mail(email="welcome", purpose="newsletter"), nowhere)


@pytest.mark.parametrize(
    "links",
    ["http://m.example.com", "ftp://x", "m.example.com", "https://u@m.example.com", "https://m.example.com/?a=1",
     "https://m.example.com/<b>", "https://m.example.com/ x", "https://é.example"],
)  # fmt: skip
def test_a_link_is_https_and_one_line(links: str) -> None:
    with pytest.raises(ValidationError):
        EmailModel.model_validate({"smtp": "smtp://localhost", "from": "a@example.com", "links": links})


def test_the_docs_say_for_how_long_a_link_confirms() -> None:
    text = (Path(__file__).parents[4] / "docs" / "workflows.md").read_text(encoding="utf-8")
    assert re.findall(r"within (\d+) days", text) == [str(CONFIRM_WITHIN.days)]
