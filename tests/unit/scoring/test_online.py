"""Between two fits: outcomes move the weights of what was there, repeatably, and leads follow with a booking."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import bookings
from services.scoring.domain.lead.features import Bins, Levels, Value
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from services.scoring.domain.lead.odds import sigmoid
from services.scoring.domain.lead.online import Outcome, taught
from services.scoring.domain.model.learnt import ModelUnusableError, read_step, step_of, step_parameters
from shared.events.updates import Booking
from tests.unit.scoring.builders import NOW, a_contact, a_lead, a_model, after, an_engagement, minutes, total
from tests.unit.scoring.together import TOGETHER

LEAD = LeadModel(
    "lead-test",
    "",
    -0.2,
    source=(Weighed("source", Levels(frozenset({"website"})), {"website": 0.3}, {"website": 0.1}, 0.2),),
    traits=(
        Weighed("trait:size", Bins((10.0, 100.0)), {"0": -0.5, "1": 0.1}, {"0": 0.2, "1": 0.05}, 0.3),
        Weighed("trait:size (fine)", Bins((10.0, 50.0)), {"0": -0.1}, {"0": 0.1}, 0.1),
    ),
    engagement=(Weighed("did:page_viewed", Bins((1.0,)), {"0": -0.05, "1": 0.3}, {"0": 0.1, "1": 0.1}, 0.1),),
    time=(Weighed("age", Bins((1.0, 7.0)), {"0": 0.2, "1": 0.0, "2": -0.4}, dict.fromkeys("012", 0.05), 0.1),),
    intercept_variance=0.02,
)
KNOWN: dict[str, Value] = {"source": "website", "trait:size": 5.0, "age": 0.0}
ANYBODY = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["website", "fair", None]),
        "trait:size": st.sampled_from([None, 5.0, 60.0, 1e9]),
        "age": st.sampled_from([0.0, 1.0, 30.0]),
    },
    optional={"did:page_viewed": st.floats(0, 100)},
)
OUTCOMES = st.lists(
    st.builds(Outcome, ANYBODY, st.floats(-8, 8), st.booleans(), st.sampled_from([0.25, 0.5, 1.0])), max_size=30
)


def test_what_features_say_together_counts_beside_and_stays_in_the_fit() -> None:
    model = replace(LEAD, together=TOGETHER)
    beside = TOGETHER.log_odds(TOGETHER.levels(KNOWN))
    assert beside
    taught_so = taught(model, [Outcome(KNOWN, -2.0, bought=True)])
    assert replace(taught_so, together=None) == taught(LEAD, [Outcome(KNOWN, -2.0 + beside, bought=True)])
    text = step_parameters(taught_so)
    assert "trees" not in text, "a step is stored anew each hour"
    assert read_step(model, step_of(text), text).together is TOGETHER


def chance(model: LeadModel, known: dict[str, Value]) -> float:
    odds = model.intercept
    for each in model.features:
        name = each.name.removesuffix(" (fine)")
        odds += each.log_odds(known.get(name, 0.0 if name.startswith("did:") else None))
    return sigmoid(odds)


def test_one_outcome_moves_each_of_its_tokens_by_the_published_step() -> None:
    after_one = taught(LEAD, [Outcome(KNOWN, -2.0, bought=True)])
    unsure = 0.02 + 0.1 + 0.2 + 0.1 + 0.1 + 0.05
    odds = -2.0 - 0.2 + 0.3 - 0.5 - 0.1 - 0.05 + 0.2
    p = sigmoid(odds / math.sqrt(1 + math.pi * unsure / 8))
    h = p * (1 - p)
    k = 1 / (1 + h * unsure)
    assert after_one.intercept == pytest.approx(-0.2 + 0.02 * (1 - p) * k, abs=1e-12)
    assert after_one.source[0].weights["website"] == pytest.approx(0.3 + 0.1 * (1 - p) * k, abs=1e-12)
    assert after_one.source[0].variances["website"] == pytest.approx(0.1 - 0.1**2 * h * k, abs=1e-12)
    assert after_one.traits[0].weights["1"] == 0.1, "it had no such size"


@given(OUTCOMES, ANYBODY, st.booleans())
def test_an_outcome_draws_those_like_it_towards_itself_and_makes_surer(
    before: list[Outcome], known: dict[str, Value], bought: bool
) -> None:
    model = taught(LEAD, before)
    later = taught(model, [Outcome(known, 0.0, bought)])
    assert (chance(later, known) >= chance(model, known)) == bought
    for one, other in zip(model.features, later.features, strict=True):
        for level, variance in other.variances.items():
            assert 0 < variance <= one.variances.get(level, one.unseen)
            assert math.isfinite(other.weights[level])


@given(OUTCOMES, st.integers(0, 30))
def test_the_same_outcomes_give_the_same_bits_in_one_go_or_in_two(outcomes: list[Outcome], cut: int) -> None:
    once = step_parameters(taught(LEAD, outcomes))
    assert once == step_parameters(taught(taught(LEAD, outcomes[:cut]), outcomes[cut:]))
    read = read_step(LEAD, step_of(once), once)
    assert step_parameters(read) == once
    assert (read.step, read.version) == (step_of(once), "lead-test")


@given(OUTCOMES)
def test_a_fit_of_an_earlier_release_does_not_move(outcomes: list[Outcome]) -> None:
    sure = replace(
        LEAD,
        source=(Weighed("source", Levels(frozenset({"website"})), {"website": 0.3}),),
        traits=(), engagement=(), time=(), intercept_variance=0.0,
    )  # fmt: skip
    learnt = taught(sure, outcomes)
    assert learnt.intercept == sure.intercept
    assert {learnt.source[0].log_odds(each.known["source"]) for each in outcomes} <= {0.3, 0.0}


def test_a_source_that_no_fit_has_seen_is_learnt() -> None:
    fair: dict[str, Value] = {**KNOWN, "source": "fair"}
    learnt = taught(LEAD, [Outcome(fair, -2.0, bought=True)] * 5)
    assert learnt.source[0].weights["fair"] > 0.2
    assert learnt.source[0].weights["website"] == 0.3


def test_a_changed_step_is_not_used() -> None:
    text = step_parameters(LEAD)
    with pytest.raises(ModelUnusableError):
        read_step(LEAD, step_of(text), text.replace("0.3", "3.0"))


def stepped(model: LeadModel, *outcomes: Outcome) -> LeadModel:
    text = step_parameters(taught(model, outcomes))
    return read_step(model, step_of(text), text)


def test_a_lead_follows_a_step_with_its_next_event_sweep_or_cost_and_the_difference_is_the_models() -> None:
    first = a_model(lead=LEAD)
    second = a_model(lead=stepped(LEAD, *[Outcome(KNOWN, -2.0, bought=True)] * 20))
    assert first.version == second.version, "nobody is due"
    assert second.lead_version == f"{first.version}~{second.step}"
    booked: list[Booking] = []
    told = after(a_contact(), a_lead(traits={"size": 5}), model=first, booked=booked)
    before = told.state
    assert before.step == ""

    answered = after(told, an_engagement(human_likelihood=0.0, at=NOW), model=second, booked=booked)
    assert (booked[-1].factor, booked[-1].model) == ("model", second.lead_version)
    assert answered.lead == total(booked, "lead") > before.lead

    swept, by_time = bookings.aged(before, second, (NOW + minutes(60)).timestamp())
    assert [each.factor for each in by_time] == ["model", "time"]
    costed, by_cost = bookings.costed(before, 5000, second)
    assert [each.factor for each in by_cost] == ["model", "cost"]
    credited, by_credit = bookings.advocated(before, 0, second)
    assert [(each.factor, each.account) for each in by_credit] == [("model", "lead")]
    for state, made in ((swept, by_time), (costed, by_cost), (credited, by_credit)):
        assert (state.step, state.lead) == (second.step, before.lead + sum(each.amount for each in made))
        assert bookings.revalue(state, second)[1] == [], "it stands where it should"
