"""Where a contact is: its own word, its country's, the business's."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.scoring.config import load_scoring
from services.scoring.domain.contact.places import Place, not_known, place_of
from services.scoring.domain.model.model import Home

BUSINESS = Home("US", "America/Chicago")


@pytest.mark.parametrize(
    ("traits", "place", "missing"),
    [
        ({"time_zone": "europe/berlin"}, Place(None, "Europe/Berlin"), ()),
        ({"country": "Niemcy"}, Place("DE", "Europe/Berlin"), ()),
        ({"country": "Germany", "time_zone": "Mars"}, Place("DE", "Europe/Berlin"), ("time_zone",)),
        ({"country": "Australia"}, Place("AU", "America/Chicago"), ()),
        ({"country": "Australia", "time_zone": "EST"}, Place("AU", "Australia/Sydney"), ()),
        ({"time_zone": "EST"}, Place(None, "America/New_York"), ()),
        ({"country": "Atlantis"}, Place("Atlantis", "America/Chicago"), ("country",)),
        ({"country": 7, "time_zone": ["x"]}, Place(None, "America/Chicago"), ()),
        ({}, Place(None, "America/Chicago"), ()),
    ],
)
def test_place(traits: dict[str, object], place: Place, missing: tuple[str, ...]) -> None:
    assert place_of(traits, BUSINESS) == place
    assert not_known(traits, BUSINESS) == missing


def test_without_a_business_nothing_is_made_up() -> None:
    assert place_of({"time_zone": "EST"}, Home()) == Place(None, None)


def test_the_business_is_in_scoring_yaml_and_no_value_depends_on_it(tmp_path: Path) -> None:
    plain = "currency: EUR\nsources: {default: {conversion: 0.05}}\n"
    (tmp_path / "scoring.yaml").write_text(plain)
    before = load_scoring(tmp_path)
    (tmp_path / "scoring.yaml").write_text(f"{plain}country: Deutschland\n")
    after = load_scoring(tmp_path)
    assert after.home == Home("DE", "Europe/Berlin")
    assert replace(after, home=before.home) == before
