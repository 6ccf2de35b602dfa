"""A search for the worst by Hypothesis: what is drawn is measured, and the measures are what it goes after."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis.strategies import SearchStrategy

S = TypeVar("S")
F = TypeVar("F", bound=tuple[object, ...])
_ROUND = 300  # examples, half of them near the best of the others


def searched(
    cases: SearchStrategy[S], measure: Callable[[S], tuple[F, Mapping[str, float]]], seconds: float
) -> list[F]:
    """Measure cases for so long. What was found, the largest first; of the same, one.

    `measure`: what is to be kept of a case, and its measures by name, each of which is gone after.
    """
    found: dict[F, None] = {}
    end, rounds = time.monotonic() + seconds, 0
    while not found or time.monotonic() < end:

        @seed(rounds)
        @settings(
            max_examples=_ROUND,
            phases=(Phase.generate, Phase.target),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def look(case: S) -> None:
            if found and time.monotonic() > end:
                return  # to raise would be a failure, which is looked into at length
            kept, goals = measure(case)
            found[kept] = None
            for name, amount in goals.items():
                target(amount, label=name)

        look()
        rounds += 1
    return sorted(found, reverse=True)
