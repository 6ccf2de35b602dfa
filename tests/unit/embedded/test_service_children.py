from pathlib import Path

import pytest

from embedded.supervisor.service_children import service_child


@pytest.mark.parametrize(
    ("name", "needs_it"), [("setup", True), ("scoring", True), ("nurture", True), ("ingest", False), ("sinks", False)]
)
def test_the_database_s_password_goes_to_who_needs_it(name: str, needs_it: bool, tmp_path: Path) -> None:
    given = {"FIRSTHOUR_DATABASE": "postgresql://u:p@db/x", "FIRSTHOUR_KAFKA": "here:1"}
    child = service_child(name, tmp_path, given)
    assert ("FIRSTHOUR_DATABASE" in child.command.environment) == needs_it
    assert child.command.environment["FIRSTHOUR_KAFKA"] == "here:1"
