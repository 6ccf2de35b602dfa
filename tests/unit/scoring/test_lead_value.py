"""P(conversion) and the lead value: in bounds, monotone, and the factors in their fixed order."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.odds import sigmoid
from services.scoring.domain.lead.value import Parts
from services.scoring.domain.model.scorecard import Against
from shared.events.envelope import Decoded
from shared.events.identity import Identity
from shared.events.types import ConsentChanged
from shared.events.updates import Booking
from shared.money import MAX_MINOR, Money
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_feedback,
    a_lead,
    a_model,
    a_purchase,
    a_referral,
    after,
    an_engagement,
    an_event,
    minutes,
    total,
)

_LOG_ODDS = st.floats(-1e6, 1e6)
_PARTS = st.builds(
    Parts,
    _LOG_ODDS,
    _LOG_ODDS,
    _LOG_ODDS,
    _LOG_ODDS,
    _LOG_ODDS,
    revenue=st.floats(0, MAX_MINOR),
    cost=st.integers(0, 10**9),
)


@given(st.floats(allow_nan=False))
def test_a_chance_is_never_quite_impossible_nor_certain(log_odds: float) -> None:
    assert 0 < sigmoid(log_odds) < 1


def test_it_is_as_sure_of_a_no_as_of_a_yes_and_never_surer() -> None:
    assert sigmoid(-1000) == sigmoid(-30) != sigmoid(-29)
    assert sigmoid(1000) == sigmoid(30) != sigmoid(29)


@given(_LOG_ODDS, _LOG_ODDS)
def test_the_chance_rises_with_the_log_odds(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert sigmoid(low) <= sigmoid(high)


@given(_PARTS, st.floats(0, 1e6), st.sampled_from(["prior", "fit", "engagement", "recency", "together"]))
def test_the_value_rises_with_the_chance_and_with_the_revenue(parts: Parts, more: float, factor: str) -> None:
    better = parts._replace(**{factor: getattr(parts, factor) + more})
    assert lead_value.value(parts) <= lead_value.value(better)
    assert lead_value.value(parts) <= lead_value.value(parts._replace(revenue=parts.revenue + more))


@given(_PARTS, st.integers(1, 10**9))
def test_what_a_lead_costs_is_taken_off_to_the_cent(parts: Parts, cost: int) -> None:
    assert lead_value.value(parts._replace(cost=cost)) == lead_value.value(parts._replace(cost=0)) - cost


def test_traits_and_engagement_raise_the_value_and_time_lowers_it() -> None:
    plain = after(a_contact(), a_lead())
    fitting = after(a_contact(), a_lead(traits={"country": "de", "company": "Engines", "size": "60"}))
    assert fitting.lead > plain.lead
    assert after(plain, an_engagement(kind="meeting_booked")).lead > after(plain, an_engagement()).lead > plain.lead
    assert after(plain, an_engagement(human_likelihood=0.0)).lead == plain.lead
    day, month, year = (
        after(plain, an_engagement(human_likelihood=0.0, at=NOW + minutes(1440 * n))).lead for n in (1, 30, 365)
    )
    assert plain.lead > day > month > year
    later = after(plain, an_engagement(human_likelihood=0.0, at=NOW + minutes(1440 * 500))).lead
    assert later == year, "a lead cools down to a floor"


def test_engagement_of_which_nothing_is_left_is_as_none() -> None:
    plain, engaged = after(a_contact(), a_lead()).state, after(a_contact(), a_lead(), an_engagement()).state
    assert lead_value.scorecard_engagement(plain, MODEL.scorecard, plain.clock) == 0.0
    assert lead_value.scorecard_engagement(engaged, MODEL.scorecard, engaged.clock) > 0.0
    assert lead_value.scorecard_engagement(engaged, MODEL.scorecard, engaged.clock + 1e12) == 0.0


def test_a_kind_of_engagement_fades_by_a_half_life_of_its_own() -> None:
    day, common = 86_400.0, MODEL.scorecard.half_lives
    own = a_model(half_lives=(*common, 60 * day), common=common, own_half_life={"webinar_attended": 60 * day})
    plain = after(a_contact(), a_lead(), an_engagement(), model=own).state
    webinar = after(a_contact(), a_lead(), an_engagement(kind="webinar_attended"), model=own).state

    def left(state: ContactState, days: float) -> float:
        """Points."""
        odds = lead_value.scorecard_engagement(state, own.scorecard, NOW.timestamp() + days * day)
        return math.exp2(odds / own.scorecard.engagement_weight) - 1

    assert left(webinar, 0) == pytest.approx(1)
    assert left(webinar, 60) == pytest.approx(0.5)
    assert left(plain, 0) == pytest.approx(2), "by each of the common ones"
    assert left(plain, 14) == pytest.approx(0.5 + 2**-14), "and not by that of others"
    old = after(a_contact(), a_lead(), an_engagement(kind="webinar_attended")).state
    assert left(old, 0) == 0, "until it is counted from the stored events"


def test_each_change_of_a_lead_is_booked_to_its_factor() -> None:
    booked: list[Booking] = []
    state = after(a_contact(), a_lead(traits={"country": "DE"}), booked=booked)
    assert [each.factor for each in booked] == ["source", "traits", "cost"]
    assert booked[-1].amount == -200
    booked.clear()
    state = after(state, an_engagement(kind="meeting_booked", at=NOW + minutes(1440)), booked=booked)
    assert [(each.factor, each.amount > 0) for each in booked] == [("time", False), ("engagement", True)]
    booked.clear()
    estimate = Money("5000.00", "EUR")
    state = after(
        state, a_lead(estimated_value=estimate, source="/sources/shop", at=NOW + minutes(1440)), booked=booked
    )
    assert {each.factor for each in booked} == {"time", "revenue"}, "the first source stays; asking anew warms it up"
    booked.clear()
    lead = state.lead
    state = after(state, a_purchase(at=NOW + minutes(1441)), booked=booked)
    assert [(each.account, each.factor, each.amount) for each in booked] == [
        ("lead", "converted", -lead),
        ("customer", "purchase", 3500),
    ]


def test_another_model_is_booked_as_the_model() -> None:
    booked: list[Booking] = []
    state = after(a_contact(), a_lead(), booked=booked)
    other = a_model(version="scorecard-next", revenue=240_000)
    state = after(state, an_engagement(human_likelihood=0.0), model=other, booked=booked)
    assert (booked[-1].factor, booked[-1].model, state.model) == ("model", other.version, other.version)
    assert state.lead == total(booked, "lead")


def test_traits_of_any_kind_are_no_error() -> None:
    odd: list[Any] = [None, "", "many", [], {}, True, 10**400, float("nan"), "1e999"]
    for said in odd:
        state = after(a_contact(), a_lead(traits={"size": said, "country": said, "company": said}))
        assert 0 < lead_value.conversion(lead_value.parts(state.state, MODEL, state.clock)) < 1


def test_a_huge_estimate_stays_in_bounds() -> None:
    state = after(a_contact(), a_lead(estimated_value=Money("9" * 12, "EUR")))
    assert 0 < state.lead <= MAX_MINOR


def test_an_estimate_below_nothing_is_nothing() -> None:
    assert after(a_contact(), a_lead(estimated_value=Money("-5.00", "EUR"))).lead == -200


@pytest.mark.parametrize(("event", "kind"), [(a_feedback(), "feedback_given"), (a_referral(), "referral_made")])
def test_who_says_what_it_thinks_or_names_others_is_engaged(event: Decoded, kind: str) -> None:
    told = after(a_contact(), a_lead(), event)
    assert told.engaged[kind][1:] == (1.0,) * len(MODEL.scorecard.half_lives)
    assert told.lead > after(a_contact(), a_lead()).lead


AGAINST = a_model(
    against=Against(free_mail=-0.5, competitor=-3.0, competitors=frozenset({"rival.example"}), unsubscribed=-0.2,
                    no_mail=-1.0)
)  # fmt: skip


def spoken_against(email: str, *consents: tuple[str | None, bool]) -> float:
    no = [
        an_event(ConsentChanged(identity=Identity(email=email), channel="email", given=given, purpose=purpose), name=n)
        for n, (purpose, given) in enumerate(consents)
    ]
    return lead_value.fit(after(a_contact(), a_lead(email=email), *no, model=AGAINST).state, AGAINST)


@pytest.mark.parametrize(
    ("email", "log_odds"),
    [
        ("ada@example.com", 0.0),
        *((f"ada@{domain}", -0.5) for domain in ("gmail.com", "gmx.net", "yahoo.co.uk", "web.de", "live.com")),
        *((f"ada@{domain}", 0.0) for domain in ("mygmail.com", "gmail.example", "livewell.com")),
        *((f"ada@{domain}", -3.0) for domain in ("rival.example", "uk.rival.example")),
        ("ada@notrival.example", 0.0),
    ],
)
def test_an_address_may_speak_against_a_lead(email: str, log_odds: float) -> None:
    assert spoken_against(email) == log_odds


def test_a_no_to_mails_speaks_against_a_lead_once_until_it_is_a_yes() -> None:
    ada = "ada@example.com"
    assert spoken_against(ada, ("newsletter", False)) == -0.2
    assert spoken_against(ada, ("newsletter", False), (None, False)) == -1.0
    assert spoken_against(ada, ("newsletter", True)) == spoken_against(ada, (None, True)) == 0.0


def test_what_traits_and_engagement_add_has_a_cap_each() -> None:
    traits = {"country": "de", "company": "Engines", "size": "60"}
    told = after(a_contact(), a_lead(traits=traits), *(an_engagement(event=n) for n in range(9))).state
    low = a_model(most_fit=0.5, most_engagement=0.3)
    free, held = lead_value.parts(told, MODEL, told.clock), lead_value.parts(told, low, told.clock)
    assert (held.fit, held.engagement) == (0.5, 0.3)
    assert free.fit > 0.5
    assert free.engagement > 0.3
    rival = after(a_contact(), a_lead(email="eve@rival.example"), model=AGAINST).state
    assert lead_value.fit(rival, a_model(against=AGAINST.scorecard.against, most_fit=1.0)) == -1.0
