"""Whether somebody may be written to: the rule, for any words in any order."""

import itertools
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.nurture.domain.mail.consent import Matter, Word, about, by_strangers, last_words, permits, said
from shared.events.consent import ConsentWord
from tests.unit.nurture.builders import CONTACT, NOW, a_workflow, an_update, begun

OLD, NEW = "old@example.com", "new@example.com"
_ALL = about(CONTACT)


def yes(second: int, subject: str = OLD, purpose: str = "") -> Word:
    return Word(Matter(subject, "email", purpose), given=True, at=NOW + timedelta(seconds=second))


def no(second: int, subject: str = OLD, purpose: str = "") -> Word:
    return Word(Matter(subject, "email", purpose), given=False, at=NOW + timedelta(seconds=second))


_WORDS = st.lists(
    st.builds(
        Word,
        st.builds(
            Matter, st.sampled_from([OLD, _ALL]), st.just("email"), st.sampled_from(["", "newsletter", "orders"])
        ),
        st.booleans(),
        st.integers(0, 3).map(lambda second: NOW + timedelta(seconds=second)),
    ),
    max_size=5,
)


@given(_WORDS)
def test_no_order_matters_nor_who_kept_the_words(words: list[Word]) -> None:
    whole = last_words(words)
    for order in itertools.permutations(words):
        assert last_words(order) == whole
    for cut in range(len(words)):
        assert last_words((*last_words(words[:cut]), *last_words(words[cut:]))) == whole


@given(_WORDS, st.sampled_from(["follow-up", "newsletter", "orders"]), st.sampled_from([OLD, _ALL]))
def test_a_no_that_comes_last_wins(words: list[Word], purpose: str, subject: str) -> None:
    latest = max((word.at for word in words), default=NOW)
    for refused in ("", purpose):
        withdrawn = Word(Matter(subject, "email", refused), given=False, at=latest)
        assert permits(last_words([*words, withdrawn]), purpose) is False


@given(_WORDS, st.sampled_from(["follow-up", "newsletter", "orders"]))
def test_a_yes_of_its_own_address_and_purpose_that_comes_last_wins(words: list[Word], purpose: str) -> None:
    latest = max((word.at for word in words), default=NOW)
    agreed = Word(Matter(OLD, "email", purpose), given=True, at=latest + timedelta(seconds=1))
    assert permits(last_words([*words, agreed]), purpose) is True


@given(_WORDS, st.sampled_from(["newsletter", "orders"]))
def test_another_purpose_changes_nothing(words: list[Word], purpose: str) -> None:
    others = [word for word in words if word.matter.purpose in ("", purpose)]
    assert permits(last_words(words), purpose) is permits(last_words(others), purpose)


def test_nothing_said_is_neither_yes_nor_no() -> None:
    assert permits((), "follow-up") is None
    assert permits((yes(0, purpose="orders"), no(0, purpose="newsletter")), "follow-up") is None


def test_agreeing_to_order_updates_does_not_revive_the_newsletter() -> None:
    words = last_words([yes(0, purpose="newsletter"), no(1), yes(2, purpose="orders")])
    assert permits(words, "orders") is True
    assert permits(words, "newsletter") is False
    assert permits(words, "follow-up") is False


def test_a_purpose_that_was_refused_stays_so_though_all_else_is_agreed_to() -> None:
    words = (no(0, purpose="newsletter"), yes(5))
    assert permits(words, "newsletter") is False
    assert permits(words, "follow-up") is True


def test_a_general_yes_lifts_a_general_no_but_not_of_the_same_second() -> None:
    assert permits((no(0, _ALL), yes(1)), "follow-up") is True
    assert permits((no(1, _ALL), yes(1)), "follow-up") is False


def test_the_contact_agreeing_as_a_whole_does_not_revive_an_address() -> None:
    assert permits((no(0), yes(9, _ALL)), "follow-up") is False
    assert permits((no(0, _ALL), yes(9)), "follow-up") is True


def a_word(**changes: Any) -> ConsentWord:
    said: dict[str, Any] = {"channel": "email", "given": False, "at": NOW, "address": OLD}
    return ConsentWord(**said | changes)


def test_a_word_belongs_to_the_address_that_it_was_said_of() -> None:
    assert said(a_word(), contact_id=CONTACT, newest_address=NEW) == (no(0),)
    assert said(a_word(address=None), contact_id=CONTACT, newest_address=NEW) == (no(0, _ALL), no(0, NEW))
    assert said(a_word(address=None), contact_id=CONTACT, newest_address=None) == (no(0, _ALL),)
    assert said(a_word(purpose="orders", given=True), contact_id=CONTACT, newest_address=NEW) == (
        yes(0, purpose="orders"),
    )


def test_a_yes_of_anybody_is_no_yes() -> None:
    assert said(a_word(given=True, public=True), contact_id=CONTACT, newest_address=NEW) == ()


def test_a_no_of_anybody_holds_for_what_anybody_causes() -> None:
    assert said(a_word(public=True), contact_id=CONTACT, newest_address=NEW) == (no(0, by_strangers(OLD)),)
    unnamed = said(a_word(public=True, address=None), contact_id=CONTACT, newest_address=None)
    assert unnamed == (no(0, by_strangers(_ALL)),)


def test_a_mail_has_a_purpose() -> None:
    plain, named = (
        begun(a_workflow({"send": {"email": "thanks"} | purpose})).deliveries[0]
        for purpose in ({}, {"purpose": "newsletter"})
    )
    assert (plain.purpose, named.purpose) == ("follow-up", "newsletter")
    assert plain.recipient == "ada@example.com"


def test_a_follow_up_goes_to_the_address_that_asked() -> None:
    asked = an_update(identity={"email": OLD})
    assert asked.contact.email == "ada@example.com"
    (delivery,) = begun(a_workflow({"send": {"email": "thanks"}}), asked).deliveries
    assert delivery.recipient == OLD
    silent = an_update(identity={"user_id": "7"})
    (delivery,) = begun(a_workflow({"send": {"email": "thanks"}}), silent).deliveries
    assert delivery.recipient == "ada@example.com"
