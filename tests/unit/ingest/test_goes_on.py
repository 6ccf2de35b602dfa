"""Whatever ingest answers 2xx to goes all the way: scoring folds it and nurture takes it (DESIGN §3)."""

from contextlib import suppress

import pytest
from hypothesis import given, settings

from services.ingest.domain.fact import Refused
from shared.http.problems import Problem
from tests.unit.ingest.any_json import CALM, goes_on
from tests.unit.ingest.ways_in import GENERIC_TYPES, TAKEN, WAYS, Read

_NOT_MAPPED = {"referral.made", "cost.recorded"}  # one is about two people, the other about none


@pytest.mark.parametrize("way", WAYS)
def test_what_is_accepted_goes_all_the_way(way: str) -> None:
    accepted = 0

    @settings(CALM, max_examples=15)
    @given(read=WAYS[way])
    def look(read: Read) -> None:
        nonlocal accepted
        with suppress(Refused, Problem):
            for fact in read():
                accepted += 1
                goes_on(fact)

    for _ in range(20):  # of some ways only one in many is accepted
        look()
        if accepted or way == "hook-meta":
            break
    assert accepted or way == "hook-meta", "a property of what is always refused holds of nothing"


def test_every_type_that_a_generic_hook_may_name_is_drawn() -> None:
    assert GENERIC_TYPES == TAKEN - _NOT_MAPPED
