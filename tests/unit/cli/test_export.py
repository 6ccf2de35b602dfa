"""What is exported is opened in spreadsheets, and much of it was typed by strangers."""

import pytest

from services.cli.contacts.export import _cell


@pytest.mark.parametrize("text", ["=1+1", "+HYPERLINK(1)", "-A1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0bA1",
                                  "\uff0dA1", "\uff20A1", "-1_0", "+inf", "-nan", "-1+cmd|' /C calc'!A0", "+\u0663"])  # fmt: skip
def test_no_spreadsheet_runs_a_cell(text: str) -> None:
    assert _cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["+441632960961", "-5.20", "1e5", "Ada", "", "a=b", -5, -0.5])
def test_what_is_no_formula_stays(value: object) -> None:
    assert _cell(value) == str(value)


def test_what_is_unknown_is_empty() -> None:
    assert _cell(None) == ""
