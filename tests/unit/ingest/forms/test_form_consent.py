"""Who may be written to, as the boxes of forms in eight languages say it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.forms.consent import answer, box, together
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.plain.leads import read_lead
from services.ingest.domain.plain.typed_lead import read_typed_lead
from shared.events.types import Consent, LeadCaptured

NEWS = {"newsletter": False}
BOTH = {"newsletter": False, "marketing": False}


def consent(form: dict[str, object]) -> Consent | None:
    data = read_form({"email": "ada@example.com", **form}, {}, name="f").data
    assert isinstance(data, LeadCaptured)
    return data.consent


@pytest.mark.parametrize(
    "form",
    [
        {"consent": "on"}, {"Einwilligung": "ja"}, {"consentement": "oui"}, {"consentimiento": "sí"}, {"consenso": "sì"},
        {"toestemming": "ja"}, {"consentimento": "sim"}, {"zgoda": "tak"}, {"Wyrażam zgodę": "1"},
        {"acceptance-123": "1"}, {"gdpr[]": "I agree to receive e-mails"}, {"your-consent": "Yes, please"},
        {"marketing_opt_in": "true"}, {"opt-in": "Checked"}, {"Newsletter abonnieren": "Ja, bitte"},
        {"boletin": "Sí, gracias"}, {"nieuwsbrief": "Ja, graag"}, {"infolettre": "Oui merci"},
        {"Quiero recibir la newsletter": "x"}, {"biuletyn": "Tak, proszę"}, {"fields[consent][value]": "✓"},
        {"newsletter": ["0", "1"]}, {"newsletter": ["no", "yes"]}, {"J'accepte": "J'accepte"},
        {"consent": "Ich stimme zu"}, {"consent": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_ticked_box_is_a_yes(form: dict[str, object]) -> None:
    said = consent(form)
    assert said is not None
    assert said.email is True
    assert False not in said.purposes.values()


@pytest.mark.parametrize(
    ("form", "email", "purposes"),
    [
        ({"newsletter": "no"}, None, NEWS), ({"newsletter": "Nein, danke"}, None, NEWS),
        ({"Newsletter": "Kein Newsletter"}, None, NEWS), ({"no_newsletter": "1"}, None, NEWS),
        ({"keinNewsletter": "on"}, None, NEWS), ({"Kein Newsletter, bitte": "x"}, None, NEWS),
        ({"Pas de newsletter": "oui"}, None, NEWS), ({"sin_boletin": "sí"}, None, NEWS),
        ({"senza newsletter": "sì"}, None, NEWS), ({"geen nieuwsbrief": "ja"}, None, NEWS),
        ({"Não quero newsletter": "sim"}, None, NEWS), ({"bez biuletynu": "tak"}, None, NEWS),
        ({"consent": "No newsletter please"}, None, NEWS), ({"gdpr": "Ich möchte keinen Newsletter"}, None, NEWS),
        ({"newsletter": "Non merci"}, None, NEWS), ({"boletin": "No, gracias"}, None, NEWS),
        ({"nieuwsbrief": "Nee, bedankt"}, None, NEWS), ({"biuletyn": "Nie, dziękuję"}, None, NEWS),
        ({"Werbung": "nein"}, None, {"marketing": False}), ({"No quiero publicidad": "1"}, None, {"marketing": False}),
        ({"opt_out": "1"}, None, BOTH), ({"unsubscribe": "yes"}, None, BOTH), ({"Abmelden": "ja"}, None, BOTH),
        ({"do_not_email": "yes"}, False, {}), ({"Do not contact me": "1"}, False, {}),
        ({"consent": "no"}, False, {}), ({"Einwilligung": "nein"}, False, {}), ({"consent": "I do not agree"}, False, {}),
    ],
    ids=str,
)  # fmt: skip
def test_no_newsletter_is_no_newsletter_and_still_an_answer(
    form: dict[str, object], email: bool | None, purposes: dict[str, bool]
) -> None:
    said = consent(form)
    assert said is not None
    assert (said.email, said.purposes) == (email, purposes)


@pytest.mark.parametrize(
    "form",
    [
        {"newsletter": "0"}, {"newsletter": "off"}, {"newsletter": "false"}, {"newsletter": ""}, {"consent": False},
        {"privacy_policy": "1"}, {"Datenschutz akzeptiert": "on"}, {"agree_to_terms": "yes"}, {"AGB": "1"},
        {"offers": "Engine, Mill"}, {"Which of our offers do you need?": "all"}, {"subscription_plan": "pro"},
        {"consent": "Yes, but only by phone"}, {"phone_no": "12"}, {"house_no": "1"}, {"no_newsletter": "no"},
    ],
    ids=str,
)  # fmt: skip
def test_all_else_says_neither(form: dict[str, object]) -> None:
    assert consent(form) is None


def test_the_words_beside_a_box_say_what_it_is() -> None:
    """A right to withdraw later is no withdrawal."""
    for wording in (
        "Yes, send me the newsletter. I can unsubscribe at any time.",
        "Ja, ich möchte den Newsletter. Sie können sich jederzeit abmelden.",
        "Oui, je veux la newsletter. Désinscription à tout moment.",
    ):
        for form in ({"consent": "on"}, {"consent": wording}, {"box 1": wording, "newsletter": "1"}):
            said = consent({**form, "consent_wording": wording})
            assert said is not None
            assert (said.email, said.purposes) == (True, {"newsletter": True}), form
        said = consent({"consent": "no", "consent_wording": wording})
        assert said is not None
        assert (said.email, said.purposes) == (None, NEWS), "whatever else they agreed to"
    said = consent({"consent": "on", "consent_wording": "Ich möchte keinen Newsletter"})
    assert said is not None
    assert (said.email, said.purposes) == (None, NEWS)
    assert answer("I want the newsletter, no spam") == (True, frozenset({"newsletter"}))
    assert answer("Yes, by e-mail, not by phone")[0] is None


def test_each_channel_has_its_box_and_a_no_outranks_a_yes() -> None:
    said = consent({"consent": "yes", "sms_consent": "no", "Subscribe me to SMS updates": "yes", "opt_in_call": "yes"})
    assert said is not None
    assert (said.email, said.sms, said.phone) == (True, False, True)
    said = consent({"newsletter": "yes", "no_newsletter": "yes", "consent_wording": "Write to me"})
    assert said is not None
    assert (said.email, said.purposes, said.wording) == (True, NEWS, "Write to me")


def test_what_is_understood_is_no_trait_and_what_is_not_is_kept() -> None:
    data: Any = read_form({"email": "a@example.com", "newsletter": "no", "consent": "maybe"}, {}, name="f").data
    assert data.traits == {"consent": "maybe"}


def test_json_says_it_by_name() -> None:
    said = {"email": "a@example.com", "consent": {"email": True, "purposes": {"newsletter": False}}}
    data: Any = read_lead(said).data
    assert data.consent.purposes == NEWS
    assert read_typed_lead(b'{"email": "a@example.com", "consent": {"purposes": {"newsletter": false}}}') is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_words_are_read_and_a_yes_never_comes_of_a_no(name: str, text: str) -> None:
    given_, _ = answer(text)
    asked = box(name)
    if asked is not None:
        said = together([(asked, text)])
        assert all(not (asked.against and given_) or value is False for value in said.channels.values())
    assert answer(f"no {text}")[0] is not True
