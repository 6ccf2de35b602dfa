"""What a learnt model reads of a lead, and to which factor of the bookings it belongs."""

from typing import Any

import pytest

from services.scoring.domain.lead.features import Bins, Levels
from services.scoring.domain.lead.learnt import Weighed, age, did, factor_of, of_age, of_did, of_said, said
from shared.durations import DAY_S
from tests.unit.scoring.builders import MODEL, NOW, a_contact, a_lead, after, an_engagement

LEAD = after(a_contact(), a_lead(traits={"size": "60", "country": "DE"}))
CLOCK = NOW.timestamp()


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("source", "source"),
        ("age", "time"),
        ("engagement", "engagement"),
        ("did:page_viewed", "engagement"),
        ("trait:country", "traits"),
        ("interest", "traits"),
        ("phone", "traits"),
    ],
)
def test_each_feature_belongs_to_one_factor(name: str, factor: str) -> None:
    assert factor_of(name) == factor


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("60", 60.0),
        (60, 60.0),
        (" Large ", "large"),
        (True, "true"),
        ("  ", None),
        (["a"], None),
        (10**400, None),
        (1e17, 1e17),
        (-1e18, None),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_trait_is_a_number_or_a_short_word(trait: Any, value: Any) -> None:
    assert said("trait:size", after(a_contact(), a_lead(traits={"size": trait})).state) == value


def test_of_a_phone_only_whether_there_is_one_and_of_a_source_its_name() -> None:
    assert said("source", LEAD.state) == "website"
    assert said("source", a_contact()) is None
    assert said("phone", LEAD.state) == "no"
    assert said("phone", after(a_contact(), a_lead(phone="+441632960961")).state) == "yes"


def test_a_lead_grows_old_by_days_from_its_capture() -> None:
    assert age(LEAD.state, CLOCK + 3 * DAY_S) == 3.0
    assert age(LEAD.state, CLOCK - DAY_S) == 0.0
    assert age(a_contact(), CLOCK) == 0.0


def test_of_engagement_half_is_left_after_a_half_life() -> None:
    state = after(LEAD, an_engagement()).state
    half_life = state.half_lives[-1]
    assert did("did:page_viewed", state, 0.7, CLOCK) == 1.0
    assert did("did:page_viewed", state, 0.7, CLOCK + half_life) == 0.5
    assert did("did:webinar_attended", state, 0.7, CLOCK) == 0.0
    assert did("engagement", state, 0.7, CLOCK) == 0.7
    assert half_life in MODEL.scorecard.half_lives


def test_what_levels_add_is_their_sum_and_an_unseen_one_adds_nothing() -> None:
    old = Weighed("age", Bins((2.0,)), {"1": -0.5})
    country = Weighed("trait:country", Levels(frozenset({"de"})), {"de": 0.25})
    size = Weighed("trait:size", Bins((10.0, 50.0)), {"2": 1.0, "missing": 9.0})
    viewed = Weighed("did:page_viewed", Bins((1.0,)), {"0": -0.125})
    assert of_said((country, size), LEAD.state) == 1.25
    assert of_said((country, size), after(a_contact(), a_lead(traits={"country": "FR"})).state) == 9.0
    assert of_did((viewed,), LEAD.state, 0.0, CLOCK) == -0.125
    assert (of_age((old,), LEAD.state, CLOCK), of_age((old,), LEAD.state, CLOCK + 2 * DAY_S)) == (0.0, -0.5)
