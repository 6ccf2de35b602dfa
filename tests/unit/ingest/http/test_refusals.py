"""What was not taken: counted, kept, and said without a flood and without a value."""

from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.http.refusals import Refusals, field_shown


def test_the_last_fifty_of_each_source_are_kept_by_the_names_of_their_fields() -> None:
    refusals = Refusals(CollectorRegistry())
    for number in range(60):
        refusals.note("shop", "invalid", [f"/items/{number}", "/ada@example.com"])
    refusals.note(None, "no_key", [])
    last = refusals.last("shop")
    assert len(last) == 50
    assert last[-1].fields == ("/items/59", "/…")
    assert [each.reason for each in refusals.last("none")] == ["no_key"]
    assert not refusals.last("other")


def test_a_flood_of_them_is_two_lines_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = Refusals(CollectorRegistry())
    for _ in range(100):
        refusals.note("shop", "invalid", ["/email"])
    said: Sequence[str] = capsys.readouterr().out.splitlines() + capsys.readouterr().err.splitlines()
    assert len(said) <= 1
    refusals._flush()
    refusals._flush()
    assert not refusals._since, "the next one is said at once again"


@pytest.mark.parametrize(
    ("at", "shown"),
    [("/", "/"), ("/email", "/email"), ("/items/3/price", "/items/3/price"), ("/a@b.com", "/…"), ("/0441632960", "/…")],
)
def test_a_field_that_may_be_an_address_is_not_told(at: str, shown: str) -> None:
    assert field_shown(at) == shown
