"""The explanation of a lead is exact: its parts multiply to the odds it was scored with. Words to find a contact by."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.contact.words import asked, said, words
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.explain import explained
from services.scoring.domain.lead.features import Bins, Levels
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from tests.unit.scoring.builders import MODEL, NOW, a_contact, a_lead, a_model, after, an_engagement, minutes
from tests.unit.scoring.together import TOGETHER

LEAD = LeadModel(
    "lead-test",
    "",
    -0.2,
    source=(Weighed("source", Levels(frozenset({"website"})), {"website": 0.3}),),
    traits=(Weighed("trait:size", Bins((10.0, 100.0)), {"0": -0.5, "1": 0.1, "2": 0.4, "missing": 0.05}),),
    engagement=(
        Weighed("engagement", Bins((0.1, 1.0)), {"0": -0.1, "1": 0.2, "2": 0.5}),
        Weighed("did:page_viewed", Bins((1.0,)), {"0": -0.05, "1": 0.3}),
    ),
    time=(Weighed("age", Bins((1.0, 7.0)), {"0": 0.2, "1": 0.0, "2": -0.4}),),
)


@given(
    st.sampled_from([None, LEAD, replace(LEAD, together=TOGETHER)]),
    st.dictionaries(st.sampled_from(["country", "company", "size"]), st.sampled_from(["DE", "", 5, "80", True, 1e300])),
    st.lists(st.integers(0, 20_000), max_size=4),
)
def test_the_parts_multiply_to_the_odds(lead: LeadModel | None, traits: dict[str, object], pages: list[int]) -> None:
    model = a_model(lead=lead)
    events = [an_engagement(at=NOW + minutes(minute), event=n) for n, minute in enumerate(pages)]
    told = after(a_contact(), a_lead(traits=traits), *events, model=model)
    chance = lead_value.conversion(lead_value.parts(told.state, model, told.state.as_of))
    odds = math.prod(each.times for each in explained(told.state, model))
    assert odds == pytest.approx(chance / (1 - chance), rel=1e-9)


def test_an_explanation_reads_as_one() -> None:
    model = a_model(lead=LEAD)
    told = after(a_contact(), a_lead(traits={"country": "DE", "size": 80}), model=model)
    said_ = [(each.factor, round(each.times, 2), each.says) for each in explained(told.state, model)]
    assert said_ == [
        ("source", 0.09, "leads of website"),
        ("traits", 1.68, "size is at least 50"),
        ("traits", 1.42, "country is among those you look for"),
        ("source", 1.35, "learnt: source website"),
        ("source", 0.82, "how many leads have bought of late"),
        ("time", 1.22, "learnt: age below 1"),
        ("engagement", 0.9, "learnt: engagement below 0.1"),
        ("traits", 1.11, "learnt: size 10 to 100"),
        ("engagement", 0.95, "learnt: page_viewed below 1"),
    ]
    assert len(explained(after(a_contact(), a_lead()).state, MODEL)) == 1


def test_what_counts_only_together_is_said_of_each_pair_and_of_the_trees_by_what_they_ask_first() -> None:
    model = a_model(lead=replace(LEAD, together=TOGETHER))
    told = after(a_contact(), a_lead(traits={"country": "DE", "size": 80}), model=model)
    said_ = [(round(each.log_odds, 3), each.says) for each in explained(told.state, model) if each.factor == "together"]
    assert said_ == [
        (-0.25, "learnt: age below 1.37, together with what else is known"),
        (0.2, "learnt: size 20 and more together with country de"),
        (0.125, "learnt: size 60.5 and more, together with what else is known"),
    ]


def test_a_contact_is_found_by_the_words_of_its_name_company_and_addresses() -> None:
    told = after(
        a_contact(),
        a_lead(email="ada.l@engines.example", name="Ada LOVELACE-King", traits={"company": "Müller & Söhne"}),
    )
    words_of = "ada ada.l@engines.example engines example king l lovelace lovelace-king mueller muller soehne sohne"
    assert said(told.state) == words_of
    assert words("  ada@Ex ':*& | ! ada@ex (x)") == ["ada@ex", "x"]
    assert words("\u0000'") == []


@given(st.text())
def test_no_word_holds_anything_that_a_query_could_be_made_of(text: str) -> None:
    found = [*words(text), *(each for word in asked(text) for each in word)]
    assert not set("':*&|!()<>\\ ") & set("".join(found))
