"""scoring.yaml: what it says becomes the model; what is wrong is named by file, line and key, all at once."""

import math
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from services.scoring.config import load_scoring
from services.scoring.domain.funnel.bottleneck import TARGETS
from services.scoring.domain.lead.odds import sigmoid
from services.scoring.domain.model.model import Model
from shared.errors import ConfigurationError, Permanent
from shared.money import MAX_MINOR

SHIPPED = Path(__file__).parents[3] / "config"
LEAST = "sources: {default: {conversion: 0.05}}\n"


def loaded(folder: Path, text: str) -> Model:
    (folder / "scoring.yaml").write_text(text)
    return load_scoring(folder)


def problems(folder: Path, text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigurationError) as error:
        loaded(folder, text)
    assert all(each.file == folder / "scoring.yaml" and each.problem for each in error.value.problems)
    return [(each.line, each.key) for each in error.value.problems]


def test_the_shipped_file_is_right() -> None:
    model = load_scoring(SHIPPED)
    assert model.currency == "EUR"
    assert sigmoid(model.scorecard.source("/sources/website").log_odds) == pytest.approx(0.08)
    assert sigmoid(model.scorecard.source("/sources/elsewhere").log_odds) == pytest.approx(0.05)
    assert model.scorecard.source("/sources/website").cost == 200
    assert model.scorecard.source(None) == model.scorecard.sources["default"]
    assert model.scorecard.revenue == 120_000
    assert model.scorecard.half_lives == (86_400, 14 * 86_400)


def test_the_least_one_can_say_is_enough(tmp_path: Path) -> None:
    model = loaded(tmp_path, LEAST)
    assert (model.currency, model.scorecard.revenue, model.pricing.margin_rate, model.scorecard.fit) == (
        "EUR",
        100_000,
        0.35,
        (),
    )


def test_twenty_points_double_the_odds(tmp_path: Path) -> None:
    model = loaded(tmp_path, LEAST + "fit: [{trait: size, at_least: 5, points: 20}]\n")
    assert model.scorecard.fit[0].log_odds == pytest.approx(math.log(2))


def test_a_kind_may_have_a_half_life_of_its_own(tmp_path: Path) -> None:
    said = loaded(tmp_path, LEAST + "engagement: {half_lives: [1d], half_life: {webinar_attended: 60d, demo: 1d}}\n")
    card = said.scorecard
    assert card.half_lives == (86_400, 60 * 86_400)
    assert (card.common, dict(card.own_half_life)) == ((86_400,), {"webinar_attended": 60 * 86_400, "demo": 86_400})
    plain = loaded(tmp_path, LEAST + "engagement: {half_lives: [1d]}\n")
    assert plain.scorecard.odds != card.odds
    assert (
        plain.scorecard.odds
        == loaded(tmp_path, LEAST + "engagement: {half_lives: [1d], half_life: {}}\n").scorecard.odds
    )


@pytest.mark.parametrize("of_kinds", ["{default: 3d}", "{a: soon}", "{a: 1d, b: 2d, c: 3d, d: 4d, e: 5d}"])
def test_a_half_life_that_makes_no_sense_is_named(of_kinds: str, tmp_path: Path) -> None:
    found = problems(tmp_path, LEAST + f"engagement:\n  half_life: {of_kinds}\n")
    assert [key.startswith("engagement.half_life") for _, key in found] == [True]


def test_the_version_is_what_is_said_not_how(tmp_path: Path) -> None:
    same = loaded(tmp_path, "# said otherwise\nsources:\n  default:\n    conversion: 5.0e-2\ncurrency: EUR\n")
    assert loaded(tmp_path, LEAST).version == same.version
    assert loaded(tmp_path, LEAST.replace("0.05", "0.06")).version != same.version


def test_the_rate_of_the_day_counts_and_decimals_are_heeded(tmp_path: Path) -> None:
    rates = 'rates: {USD: {2020-01-01: "0.90", 2026-01-01: "0.86"}, JPY: {2020-01-01: "0.006"}}\n'
    model = loaded(tmp_path, LEAST + rates)
    old, new = date(2025, 12, 31), date(2026, 1, 1)
    assert [model.pricing.rates.in_base("10.00", "USD", day) for day in (old, new)] == [900, 860]
    assert model.pricing.rates.in_base("1000", "JPY", new) == 600
    assert model.pricing.rates.in_base("10.00", "EUR", old) == 1000
    assert model.pricing.rates.in_base("1", "GBP", new) is None
    assert model.pricing.rates.in_base("1", "USD", date(2019, 12, 31)) is None
    with pytest.raises(Permanent, match="plain decimal"):
        model.pricing.rates.in_base("much", "GBP", new)


def test_a_rate_is_a_decimal_and_rounds_once_half_to_even(tmp_path: Path) -> None:
    model = loaded(tmp_path, LEAST + 'rates: {GBP: {2020-01-01: "1.15"}, XAU: {2020-01-01: "2500"}}\n')
    day = date(2026, 1, 1)
    for pence in range(1, 20_000):
        exact = Fraction(pence * 115, 100)
        assert model.pricing.rates.in_base(f"{pence / 100:.2f}", "GBP", day) == round(exact)
    assert model.pricing.rates.in_base("9" * 12, "XAU", day) == MAX_MINOR, "what is beyond all reason stops nobody"


def test_everything_wrong_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
currency: euro
sources:
  default: {conversion: 5}
  website: {conversion: 0.1, cost: lots}
fit:
  - {trait: country, points: 10}
  - {trait: size, at_least: 5, present: true, points: 10}
engagement:
  half_lives: [soon]
recency: {per_day: 1}
response: {tau: 0}
handling_minute: 12
"""
    found = set(problems(tmp_path, text))
    assert found >= {
        (1, "currency"),
        (3, "sources.default.conversion"),
        (4, "sources.website.cost"),
        (6, "fit.0"),
        (7, "fit.1"),
        (9, "engagement.half_lives.0"),
        (10, "recency.per_day"),
        (11, "response.tau"),
        (12, "handling_minute"),
    }
    assert {line for line, _ in found} == {1, 3, 4, 6, 7, 9, 10, 11, 12}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources:\n  website: {conversion: 0.1}\n", [(1, "sources")]),
        ("currency: EUR\n", [(1, "sources")]),
        (LEAST + "rates: {USD: {someday: '1'}}\n", [(2, "rates.USD.someday.[key]")]),
        (LEAST + "rates: {USD: {2020-01-01: much}}\n", [(2, "rates.USD.2020-01-01")]),
        (LEAST + "rates: {USD: {2020-01-01: '0'}}\n", [(2, "rates.USD.2020-01-01")]),
        (LEAST + "rates: {USD: {2020-01-01: '-1'}}\n", [(2, "rates.USD.2020-01-01")]),
        (LEAST + "revenue:\n  default: 1.5e3\n", [(3, "revenue.default")]),
        (LEAST + "margin_rate: .nan\n", [(2, "margin_rate")]),
        (LEAST + "response: {tau: .inf}\n", [(2, "response.tau")]),
        (LEAST + "engagement: {weight: .nan}\n", [(2, "engagement.weight")]),
        (LEAST + "fit: [{trait: size, at_least: 1, points: .inf}]\n", [(2, "fit.0.points")]),
        (LEAST + "engagement: {half_lives: ['²d']}\n", [(2, "engagement.half_lives.0")]),
    ],
)
def test_one_wrong_thing_is_named(tmp_path: Path, text: str, expected: list[tuple[int | None, str]]) -> None:
    assert set(expected) <= set(problems(tmp_path, text))


def test_the_funnel_is_set_in_times_of_a_usual_lead_and_its_targets_change_no_value(tmp_path: Path) -> None:
    model = loaded(tmp_path, LEAST)
    assert model.scorecard.qualified_at == 3 * 5_000
    assert model.targets == TARGETS
    other = loaded(tmp_path, LEAST + "funnel: {targets: {customer: 0.1}}\n")
    assert (other.targets, other.version) == ({**TARGETS, "customer": 0.1}, model.version)
    assert loaded(tmp_path, LEAST + "funnel: {qualified: 2}\n").version != model.version, "everybody is judged anew"
    assert problems(tmp_path, LEAST + "funnel: {targets: {custom: 0.1}}\n")[0][0] == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rates: {USD: {2020-01-01: '0.9'}}\n", "pricing"),
        ("margin_rate: 0.5\n", "pricing"),
        ("response: {preset: conversion}\n", "queue"),
        ("response: {sources: {fair: {preset: conversion}}}\n", "queue"),
        ("handling_minutes: 30\n", "queue"),
        ("revenue: {default: '99.00'}\n", "scorecard"),
        ("tiers: {gold: '2000.00'}\n", "scorecard"),
        ("horizon: {months: 12}\n", "scorecard"),
        ("recency: {per_day: -0.1}\n", "scorecard"),
        ("funnel: {qualified: 2}\n", "scorecard"),
        ("funnel: {targets: {customer: 0.1}}\n", None),
        ("country: DE\n", None),
    ],
)
def test_a_change_makes_a_new_version_of_its_own_part_alone(tmp_path: Path, text: str, part: str | None) -> None:
    before, after = loaded(tmp_path, LEAST), loaded(tmp_path, LEAST + text)
    changed = {
        each
        for each in ("scorecard", "pricing", "queue")
        if getattr(before, each).version != getattr(after, each).version
    }
    assert changed == ({part} if part else set())
    assert (before.version != after.version) == (part in {"scorecard", "pricing"}), (
        "no value depends on the queue's settings"
    )
    assert (before.scorecard.odds != after.scorecard.odds) == text.startswith("recency")
