"""What features say only together: the live fit learns it, and a contact is valued in plain Python as the fit says."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.features import Value
from services.scoring.domain.lead.learnt import LeadModel
from services.scoring.domain.lead.together import Together, leaf
from services.scoring.domain.model.learnt import ModelUnusableError, lead_parameters, read_lead, version_of
from services.scoring.training.leads.choice import fit_leads
from services.scoring.training.leads.dataset import LOOKS, Leads, Look
from services.scoring.training.leads.design import Table
from services.scoring.training.leads.fit import LeadFit
from services.scoring.training.leads.model import fit_lead_model, parameters_of
from tests.unit.scoring.builders import MODEL, NOW, a_contact, a_lead, a_model, after, an_engagement, minutes
from tests.unit.scoring.together import LEARNT, TOGETHER
from tests.unit.scoring.training.test_lead_trees import leads

_DAY_S = 86_400.0
_KNOWN: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.sampled_from(["fair", "ad", "mail", "never heard of", "missing", "", "12.5"]),
    st.floats(-1e18, 1e18, allow_nan=False),
    st.floats(0, 100),
)


@pytest.fixture(scope="module")
def both() -> tuple[LeadFit, LeadModel, Together]:
    """A fit with pairs and trees, and the model as it is stored."""
    columns, outcome, _ = leads(6000)
    dice = np.random.default_rng(1)
    # Some say nothing of some columns; a pair of words that matters besides.
    columns["team"] = [None if dice.random() < 0.1 else each for each in columns["team"]]
    columns["role"] = [str(each) for each in dice.choice(["boss", "clerk"], len(outcome))]
    turned = (np.array(columns["role"]) == "boss") == (np.array(columns["source"]) == "ad")
    outcome = np.where(dice.random(len(outcome)) < 0.3, turned.astype(float), outcome)
    fitted = fit_leads(Table(columns), outcome, np.arange(len(outcome)))
    parameters = parameters_of(fitted, "")
    model = read_lead(version_of("lead", parameters), parameters)
    assert model.together is not None
    return fitted, model, model.together


def test_pairs_and_trees_are_all_in_the_model(both: tuple[LeadFit, LeadModel, Together]) -> None:
    fitted, _, together = both
    assert fitted.design.pairs
    assert fitted.trees is not None
    assert len(together.pairs) == len(fitted.design.pairs)
    assert len(together.trees) == len(fitted.trees.grown)


@given(st.fixed_dictionaries(dict.fromkeys(("source", "team", "budget", "age", "role"), _KNOWN)))
@settings(max_examples=300)
def test_plain_python_says_of_anybody_what_the_fit_says(
    both: tuple[LeadFit, LeadModel, Together], known: dict[str, Value]
) -> None:
    fitted, model, together = both
    table, one = Table({name: [value] for name, value in known.items()}), np.arange(1)
    said = model.intercept + sum(each.log_odds(known[each.name]) for each in model.features)
    levels = together.levels(known)
    assert said + together.log_odds(levels) == pytest.approx(float(fitted.of(table, one)[0]), abs=1e-9)
    parts = [*together.of_pairs(levels), *together.of_trees(levels).values()]
    assert sum(parts) == pytest.approx(together.log_odds(levels), abs=1e-9)


def test_the_same_after_it_was_stored_and_a_model_without_them_is_stored_as_before() -> None:
    text = lead_parameters("", 0.5, 0.1, LEARNT.features, TOGETHER)
    read = read_lead(version_of("lead", text), text)
    assert read.together == TOGETHER
    assert lead_parameters("", 0.5, 0.1, read.features, read.together) == text
    assert "together" not in lead_parameters("", 0.5, 0.1, LEARNT.features)
    for broken in (text.replace('"columns"', '"colums"'), text.replace("[[[0, 3, 1]", "[[[0, 3]")):
        assert broken != text
        with pytest.raises(ModelUnusableError):
            read_lead(version_of("lead", broken), broken)


def test_a_tree_is_walked_by_its_answers() -> None:
    (first, second) = TOGETHER.trees
    assert leaf(first, [3, 1, 0, 0]) == 3
    assert leaf(first, [0, 0, 0, 2]) == 1
    assert leaf(second, [0, 0, 2, 0]) == 2, "the last question tells nothing apart"


def _crossed(count: int, seed: int = 5) -> list[Look]:
    """Bosses of small teams buy, and clerks of large ones; neither column says anything alone. Four looks at each."""
    dice = random.Random(seed)
    looks = []
    for lead in range(count):
        role, team = dice.choice(["boss", "clerk"]), dice.choice([5.0, 80.0])
        bought = dice.random() < (0.45 if (role == "boss") == (team < 50) else 0.05)
        known: dict[str, Value] = {"source": "website", "trait:role": role, "trait:team": team}
        opened = lead * 100 * _DAY_S / count
        looks += [
            Look(lead, opened, known | {"age": age, "engagement": dice.uniform(0, 2)}, -1.5, bought, opened)
            for age in (0.0, 1.0, 7.0, 30.0)
        ]
    return looks


def test_the_live_model_learns_what_two_traits_say_only_together() -> None:
    found = fit_lead_model(_crossed(1200), MODEL, None, None)
    assert found.better
    model = a_model(lead=read_lead(found.version, found.parameters))
    chance = {}
    for role in ("boss", "clerk"):
        for team in (5, 80):
            told = after(a_contact(), a_lead(traits={"role": role, "team": team}), model=model)
            parts = lead_value.parts(told.state, model, told.clock)
            chance[role, team] = lead_value.conversion(parts)
            assert parts.together
    assert min(chance["boss", 5], chance["clerk", 80]) > 2 * max(chance["boss", 80], chance["clerk", 5])


def test_looks_at_one_lead_do_not_vouch_for_one_another() -> None:
    dice = random.Random(2)
    looks = []
    for lead in range(700):  # noise, each lead said four times: rows of one lead agree on everything
        known: dict[str, Value] = {f"trait:{name}": dice.choice("abcdef") for name in ("x", "y", "z")}
        bought = dice.random() < 0.3
        looks += [Look(lead, lead * 3600.0, known, -1.0, bought, 0.0)] * 4
    found = fit_lead_model(looks, MODEL, None, None)
    assert read_lead(found.version, found.parameters).together is None


_SAID = st.one_of(
    st.sampled_from([True, "12", "60.5", " de ", "FR", "", "x" * 80, "about fifty", ["de"], 10**400]),
    st.integers(0, 100),
    st.floats(0, 100),
)


@given(
    st.dictionaries(st.sampled_from(["size", "country", "colour"]), _SAID),
    st.sampled_from(["/sources/website", "/sources/shop", "/sources/fair"]),
    st.integers(0, 5),
)
def test_a_contact_is_valued_by_what_its_look_says_of_it(said: dict[str, Any], source: str, viewed: int) -> None:
    events = [
        an_engagement(kind="page_viewed", at=NOW - minutes(1000 * n), event=("view", n), source=source)
        for n in range(viewed, 0, -1)
    ]
    events.append(a_lead(traits=said, at=NOW, source=source))
    contact = after(a_contact(), *events).state
    past = Leads(MODEL, NOW.timestamp() + 40 * _DAY_S)
    past.add(contact.id, events)
    model = MODEL.with_learnt(LEARNT, None)
    assert model.learnt.lead is LEARNT
    assert len(past.looks) == len(LOOKS)
    for look, days in zip(past.looks, LOOKS, strict=True):
        together = lead_value.parts(contact, model, NOW.timestamp() + days * _DAY_S).together
        assert together == TOGETHER.log_odds(TOGETHER.levels(look.known))
