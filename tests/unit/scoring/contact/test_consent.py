"""What an event says about consent, and what all words come to, in whatever order they arrive."""

import itertools
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.contact.consent import consent_of, heard
from services.scoring.domain.contact.fold import merge
from shared.events.consent import ConsentWord, channel_of, purpose_of
from shared.events.envelope import Decoded, decode, encode, make_event
from shared.events.identity import Identity
from shared.events.types import Consent, ConsentChanged
from tests.unit.scoring.builders import NOW, a_contact, a_lead, after, an_event, minutes

_SECONDS = st.integers(0, 3).map(lambda half: NOW + timedelta(seconds=half / 2))


def a_change(given: bool, *, email: str | None = "ada@example.com", **changes: Any) -> Decoded:
    where = {name: changes.pop(name) for name in ("at", "trust") if name in changes}
    return an_event(
        ConsentChanged(identity=Identity(email=email), given=given, **{"channel": "email"} | changes), **where
    )


_CHANGES = st.builds(
    lambda given, at, purpose: a_change(given, at=at, purpose=purpose),
    st.booleans(),
    _SECONDS,
    st.sampled_from([None, "newsletter", "orders"]),
)


def told(*events: Decoded) -> dict[str, bool]:
    return consent_of(after(a_contact(), *events).known)


@given(st.lists(_CHANGES, max_size=4))
def test_any_order_comes_to_the_same(events: list[Decoded]) -> None:
    assert len({tuple(sorted(told(*order).items())) for order in itertools.permutations(events)}) == 1


@given(st.lists(_CHANGES, max_size=3), st.lists(_CHANGES, max_size=3))
def test_two_contacts_joined_know_what_one_would(left: list[Decoded], right: list[Decoded]) -> None:
    a, b = after(a_contact(), *left), after(a_contact("bob"), *right)
    assert consent_of(merge(a.state, b.state).known) == told(*left, *right)


def test_in_one_second_the_no_wins() -> None:
    agreed = a_lead(consent=Consent(email=True), at=NOW + timedelta(milliseconds=900))
    withdrew = a_change(given=False, at=NOW + timedelta(milliseconds=100))
    assert told(agreed, withdrew) == told(withdrew, agreed) == {"email": False}
    assert told(agreed, withdrew, a_change(given=True, at=NOW + timedelta(seconds=1))) == {"email": True}


def test_agreeing_to_one_thing_does_not_revive_another() -> None:
    withdrew, orders = a_change(given=False), a_change(given=True, purpose="orders", at=NOW + minutes(1))
    newsletter = a_change(given=True, purpose="newsletter", at=NOW - minutes(1))
    assert told(newsletter, withdrew, orders) == {"email": False, "email:newsletter": False, "email:orders": True}
    only_that = a_change(given=False, purpose="newsletter", at=NOW + minutes(2))
    assert told(a_change(given=True), only_that) == {"email": True, "email:newsletter": False}


@pytest.mark.parametrize("channel", ["Email", "E-Mail", " e mail ", "EMAIL", "mail", "e_mail"])
def test_a_channel_has_one_name_wherever_it_is_read(channel: str) -> None:
    assert told(a_change(given=False, channel=channel)) == {"email": False}
    event = make_event(
        id=an_event(ConsentChanged(identity=Identity(), channel="x", given=True)).event.id, source="/sources/api",
        type="consent.changed", time=NOW, receivedtime=NOW, subject=None, trust="trusted",
        data=ConsentChanged(identity=Identity(email="ada@example.com"), channel="email", given=False),
    )  # fmt: skip
    written = encode(event).replace(b'"channel":"email"', b'"channel":"' + channel.encode() + b'"')
    assert decode(written).data.channel == "email"  # as an older ingest wrote it


def test_no_newsletter_in_a_lead_is_of_newsletters_alone() -> None:
    lead = a_lead(consent=Consent(email=True, purposes={"Newsletter": False, "order updates": True, "all": False}))
    assert told(lead) == {"email": True, "email:newsletter": False, "email:order-updates": True}


def test_names_of_channels_and_purposes() -> None:
    assert [channel_of(name) for name in ("SMS", "Text message", "Telephone", "WhatsApp")] == [
        "sms", "sms", "phone", "whatsapp",
    ]  # fmt: skip
    assert [purpose_of(name) for name in ("Order updates", "order_updates", "ALL", "", None, " general ")] == [
        "order-updates", "order-updates", None, None, None, None,
    ]  # fmt: skip
    assert purpose_of("x" * 1000) == "x" * 40


def test_words_are_about_the_address_that_was_named() -> None:
    lead = a_lead(email="old@example.com", consent=Consent(email=True, sms=False))
    assert heard(a_contact(), *lead) == (
        ConsentWord(channel="email", given=True, at=NOW, address="old@example.com"),
        ConsentWord(channel="sms", given=False, at=NOW, address="old@example.com"),
    )
    (word,) = heard(a_contact(), *a_change(given=False, email=None))
    assert word.address is None


def test_a_stranger_speaks_for_nobody_but_whom_he_brought() -> None:
    public = a_lead(consent=Consent(email=False), trust="public")
    assert [word.public for word in heard(a_contact(), *public)] == [True]
    known = after(a_contact(), a_lead(consent=Consent(email=True)))
    assert heard(known.state, *public) == ()
    assert consent_of(after(known, public).known) == {"email": True}


def test_a_robot_s_form_agrees_to_nothing() -> None:
    assert heard(a_contact(), *a_lead(consent=Consent(email=True), human_likelihood=0.1)) == ()


def test_a_word_is_small_in_an_update() -> None:
    word = ConsentWord(channel="email", given=False, at=NOW)
    assert msgspec.json.encode(word) == b'{"channel":"email","given":false,"at":"2026-03-02T10:00:00Z"}'


def test_a_strangers_yes_to_mail_waits_for_the_click() -> None:
    lead = a_lead(consent=Consent(email=True, phone=True, purposes={"newsletter": True}), trust="public")
    waiting = after(a_contact(), lead)
    assert consent_of(waiting.known) == {"phone": True}
    clicked = a_change(given=True, at=NOW + timedelta(seconds=1))
    assert consent_of(after(waiting, clicked).known) == {"phone": True, "email": True}
    refused = after(a_contact(), a_lead(consent=Consent(email=False, phone=False), trust="public"))
    assert consent_of(refused.known) == {"phone": False}, "of e-mail it means: not by this form"
    assert consent_of(after(refused, a_change(given=True, purpose="orders")).known)["email:orders"] is True
