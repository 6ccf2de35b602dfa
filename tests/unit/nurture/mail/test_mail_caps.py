"""How many mails forms may cause."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nurture.domain.mail.caps import Counted, MailCaps, PublicMail, admit, folded
from tests.unit.nurture.builders import an_id

_DOCS = Path(__file__).parents[4] / "docs" / "deliveries.md"
_CAPS = MailCaps(recipient=2, domain=3, source=4)


def mails(*addresses: str, source: str = "/sources/website") -> list[PublicMail]:
    return [PublicMail(an_id((number, each)), each, source) for number, each in enumerate(addresses)]


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("ada+1@example.com", "ada@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("A.d.a+x+y@GoogleMail.com", "ada@gmail.com"),
        ("\uff41da\uff0bx@example.com", "ada@example.com"),
        ("ada@mac.com", "ada@icloud.com"),
        ("a.da@me.com", "a.da@icloud.com"),
        ("a_d-a@pm.me", "ada@proton.me"),
        ("a-da@yandex.com", "ada@yandex.ru"),
        ("...@gmail.com", "...@gmail.com"),
        ("+x@example.com", "+x@example.com"),
        ("ada@example.com", "ada@example.com"),
    ],
)
def test_the_mailbox_behind_an_address(address: str, mailbox: str) -> None:
    assert folded(address) == mailbox
    assert folded(mailbox) == mailbox


def test_aliases_of_one_mailbox_count_as_one() -> None:
    asked = mails("ada@gmail.com", "a.da+1@gmail.com", "ad.a+2@googlemail.com")
    refused, _ = admit(asked, {}, _CAPS)
    assert list(refused) == [asked[2].id]
    assert "2 mails" in refused[asked[2].id]
    assert "recipient" in refused[asked[2].id]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (Counted("recipient", "ada@example.com"), "recipient"),
        (Counted("domain", "example.com"), "domain"),
        (Counted("source", "/sources/website"), "source"),
    ],
)
def test_each_cap_holds(sent: Counted, kind: str) -> None:
    (mail,) = asked = mails("ada+x@example.com")
    cap = getattr(_CAPS, kind)
    assert admit(asked, {sent: cap - 1}, _CAPS)[0] == {}
    refused, added = admit(asked, {sent: cap}, _CAPS)
    assert kind in refused[mail.id]
    assert not added


@given(st.lists(st.sampled_from(["a@x.example", "a+1@x.example", "b@x.example", "c@y.example"]), max_size=12))
def test_no_cap_is_ever_passed_and_nothing_is_refused_without_need(addresses: list[str]) -> None:
    asked = mails(*addresses)
    refused, added = admit(asked, {}, _CAPS)
    counts = Counter(counted for mail in asked if mail.id not in refused for counted in mail.counted)
    assert counts == added
    assert all(count <= getattr(_CAPS, each.kind) for each, count in counts.items())
    for mail in asked:
        if mail.id in refused:
            assert any(counts[each] >= getattr(_CAPS, each.kind) for each in mail.counted)


def test_the_docs_say_how_many() -> None:
    (said,) = re.findall(r"caps: \{(.*?)\}", _DOCS.read_text(encoding="utf-8"))
    caps = MailCaps()
    assert said == f"recipient: {caps.recipient}, domain: {caps.domain}, source: {caps.source}"
