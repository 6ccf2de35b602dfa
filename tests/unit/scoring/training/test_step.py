"""What a model learns from between two fits: each outcome once, in the order in which they became known."""

from services.scoring.training.leads.dataset import Look
from services.scoring.training.step import known_between, outcomes


def a_look(lead: int, opened: float, known_at: float, *, bought: bool = False) -> Look:
    return Look(lead, opened, {"source": f"of {lead} at {opened}"}, -1.0, bought, known_at)


def test_what_became_known_since_then_counts_in_its_order_and_nothing_else() -> None:
    looks = [
        a_look(1, 5.0, 30.0), a_look(2, 0.0, 20.0, bought=True), a_look(3, 1.0, 20.0), a_look(4, 0.0, 10.0),
        a_look(5, 0.0, 40.0), a_look(6, 2.0, 10.1),
    ]  # fmt: skip
    assert [look.lead for look in known_between(looks, 10.0, 30.0)] == [6, 2, 3, 1], (
        "4 is of the time before, 5 of later"
    )


def test_the_looks_at_one_lead_count_as_much_as_one() -> None:
    looks = [a_look(1, 0.0, 9.0), a_look(1, 0.0, 9.0), a_look(2, 0.0, 9.0, bought=True)]
    assert [(each.share, each.bought) for each in outcomes(looks)] == [(0.5, False), (0.5, False), (1.0, True)]
