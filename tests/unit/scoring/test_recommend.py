"""Interests fade and do not depend on the order of events; what to offer next follows what others bought."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.interests import bought_in, interests, topic_of
from services.scoring.domain.recommend import recommend
from shared.events.types import Item
from tests.unit.scoring.builders import NOW, a_lead, a_purchase, an_engagement

STORY = [
    a_lead(interest="Pricing", form="contact"),
    an_engagement(what="https://example.com/tents?email=ada@example.com", at=NOW + timedelta(days=1)),
    an_engagement(what="/tents/", at=NOW + timedelta(days=2), event="again"),
    an_engagement(what="/robots", human_likelihood=0.1, at=NOW),
    a_purchase(items=[Item(sku="boots"), Item(name=" Socks "), Item(sku="boots")], at=NOW),
    a_purchase(items=[Item(sku="hat")], at=NOW, trust="public", order_id="B"),
]


def test_what_was_said_looked_at_and_bought_is_of_interest_and_fades() -> None:
    now = (NOW + timedelta(days=2)).timestamp()
    found = {each.topic: each.strength for each in interests(STORY, now)}
    # A robot's visits and a stranger's word on a purchase say nothing; an address of a page names nobody.
    assert set(found) == {"pricing", "contact", "/tents", "boots", "socks"}
    assert found["boots"] == pytest.approx(5 * 2 ** (-2 / 30))
    assert found["/tents"] == pytest.approx(1 + 2 ** (-1 / 30))
    later = {each.topic: each.strength for each in interests(STORY, now + 30 * 86_400)}
    assert later == pytest.approx({topic: strength / 2 for topic, strength in found.items()})


@given(st.permutations(STORY))
def test_no_order_of_events_matters(events: list[object]) -> None:
    assert interests(events, NOW.timestamp() + 1e6) == interests(STORY, NOW.timestamp() + 1e6)  # type: ignore[arg-type]


def test_things_that_were_bought() -> None:
    assert [bought_in(*each) for each in STORY[-2:]] == [["boots", "Socks"], []]
    assert bought_in(*a_purchase(items=[Item(sku="free")], amount="0.00")) == []
    assert topic_of("http://[") == ""


BUYERS = {"boots": 100, "socks": 60, "tent": 100, "rare": 2, "hat": 300}
PAIRS = {"boots": {"socks": 50, "tent": 10, "rare": 2}}


def test_what_is_bought_together_comes_first_and_of_few_nothing_is_concluded() -> None:
    found = recommend({"boots"}, BUYERS, 1000, PAIRS, [])
    chances = {each.item: each.chance for each in found}
    assert [each.item for each in found] == ["socks", "hat", "tent", "rare"]
    assert chances["socks"] == pytest.approx((50 + 10 * 0.06) / 110)
    assert found[0].reason == "50 of 100 who bought boots bought it too; of all customers 6.0% did"
    assert chances["rare"] < 0.03, "two buyers are no evidence"
    assert found[1].reason == "bought by 300 of 1000 customers"
    assert "boots" not in chances


def test_interest_in_a_thing_raises_it() -> None:
    seen = interests([an_engagement(what="tent", event=f"e{n}") for n in range(3)], NOW.timestamp())
    found = recommend({"boots"}, BUYERS, 1000, PAIRS, seen)
    assert [each.item for each in found][:2] == ["socks", "tent"]
    assert found[1].reason.startswith("it looked at it lately; ")


def test_nobody_bought_anything_yet() -> None:
    assert recommend(set(), {}, 0, {}, []) == []


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50)),
    st.sets(st.sampled_from("abcd")),
    st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50))),
)
def test_a_chance_is_a_chance(buyers: dict[str, int], has: set[str], pairs: dict[str, dict[str, int]]) -> None:
    for each in recommend(has, buyers, 200, pairs, []):
        assert 0 <= each.chance <= 1
        assert each.item not in has
