"""The example of docs/values.md is what the rules make of the shipped scoring.yaml."""

from pathlib import Path

from services.scoring.config import load_scoring
from services.scoring.domain import queue
from services.scoring.domain.lead import value as lead_value
from shared.events.updates import Booking
from shared.money import Money
from tests.unit.scoring.builders import (
    NOW,
    Told,
    a_contact,
    a_lead,
    a_purchase,
    a_refund,
    after,
    an_engagement,
    minutes,
)

ROOT = Path(__file__).parents[3]
_DAY = 24 * 60


def signed(minor: int) -> str:
    return f"{'+' if minor > 0 else '−'}{abs(minor) / 100:.2f}"  # noqa: RUF001 - the page's minus


def test_the_example_is_true() -> None:
    model = load_scoring(ROOT / "config")
    page = (ROOT / "docs" / "values.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.count(" | ") == 3 and line[-4].isdigit()]
    story = [
        a_lead(traits={"country": "DE", "company": "Engines"}),
        an_engagement(kind="pricing_viewed", at=NOW + minutes(10)),
        an_engagement(kind="meeting_booked", at=NOW + minutes(3 * _DAY)),
        a_lead(estimated_value=Money("5000.00", "EUR"), at=NOW + minutes(3 * _DAY + 1)),
        a_purchase(amount="4000.00", at=NOW + minutes(10 * _DAY)),
        a_refund(amount="1000.00", at=NOW + minutes(20 * _DAY)),
    ]
    state, told = Told(a_contact()), []
    for event in story:
        booked: list[Booking] = []
        state = after(state, event, model=model, booked=booked)
        text = ", ".join(f"{each.factor} {signed(each.amount)}" for each in booked)
        told.append([text, f"{state.lead / 100:.2f}", f"{state.customer / 100:.2f} |"])
    assert [row[1:] for row in rows] == told


def test_what_the_example_loses_by_the_minute_is_true() -> None:
    model = load_scoring(ROOT / "config")
    state = after(a_contact(), a_lead(traits={"country": "DE", "company": "Engines"}), model=model)
    parts = lead_value.parts(state.state, model, state.clock)
    at_once = lead_value.conversion(parts) * parts.revenue
    page = (ROOT / "docs" / "values.md").read_text()
    first, later = (round(queue.loss_rate(model.queue.response, at_once, age)) / 100 for age in (0, 30))
    assert f"loses {first:.2f} a minute at first, and {later:.2f} half an hour later" in page
