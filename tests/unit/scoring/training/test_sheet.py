"""Files as people export them, read without preparation."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.training.sheet import (
    MISSING,
    SheetUnusableError,
    day_of,
    is_missing,
    moments,
    numbers,
    outcomes,
    read_column,
    read_sheet,
)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "leads.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator(tmp_path: Path, separator: str) -> None:
    sheet = read_sheet(
        written(
            tmp_path,
            separator.join(["a", "b"])
            + "\r\n"
            + separator.join(['"1', '2"', "3"]).replace(f'"1{separator}2"', '"1,2;3"'),
        )
    )
    assert list(sheet.columns) == ["a", "b"]
    assert sheet.columns["b"] == ["3"]


def test_encodings_names_and_ragged_rows(tmp_path: Path) -> None:
    sheet = read_sheet(written(tmp_path, "Größe,Größe,,x\n1,2,3\n\n4,5,6,7,8\n".encode("cp1252")))
    assert list(sheet.columns) == ["Größe", "Größe (2)", "column 3", "x"]
    assert sheet.count == 2
    assert sheet.columns["x"] == ["", "7"]
    assert any("Windows-1252" in line for line in sheet.said)
    assert any("2 rows have more or fewer cells" in line for line in sheet.said)
    assert read_sheet(written(tmp_path, b"\xef\xbb\xbfa\n1\n")).column("A") == ["1"]


@pytest.mark.parametrize(
    ("text", "problem"), [("", "empty"), ("a,b\n", "no rows"), ('a\n"unclosed' + "x" * 200_000, "line")]
)
def test_what_cannot_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SheetUnusableError, match=problem):
        read_sheet(written(tmp_path, text))


def test_a_column_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SheetUnusableError, match="there are: a, b"):
        read_sheet(written(tmp_path, "a,b\n1,2\n")).column("c")


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1", "0", ""], [1, 0, None]),
        (["Yes", "no", "No"], [1, 0, 0]),
        (["True", "False"], [1, 0]),
        (["won", "lost", "n/a"], [1, 0, None]),
        (["1.0", "0.0"], [1, 0]),
        (["Converted", "Not Converted"], [1, 0]),
        (["closed", "open", "open"], [1, 0, 0]),  # the rarer of two
        (["yes", "", ""], [1, None, None]),
    ],
)
def test_outcomes(cells: list[str], read: list[int | None]) -> None:
    assert outcomes(cells)[0] == read


def test_an_outcome_of_many_values_is_refused() -> None:
    with pytest.raises(SheetUnusableError, match="holds 3 values: a, b, c"):
        outcomes(["a", "b", "c"])


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12.0),
        ("1,234.50", 1234.5),
        ("12 %", 12.0),
        ("€ 5", 5.0),
        ("-3e2", -300.0),
        ("1 000", 1000.0),
        (".5", 0.5),
        ("twelve", None),
        ("", None),
        ("1e999", None),
        ("-", None),
    ],
)
def test_numbers(cell: str, number: float | None) -> None:
    assert numbers([cell]) == [number]


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading(text: str) -> None:
    for value in numbers([text]):
        assert value is None or abs(value) < float("inf")
    read_column([text] * 3 + ["other"])
    moments([text])


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-03-01", date(2026, 3, 1)),
        ("2026-03-01T10:00:00+02:00", date(2026, 3, 1)),
        ("01.03.2026", date(2026, 3, 1)),
        ("2026-03", date(2026, 3, 1)),
        ("1767225600", date(2026, 1, 1)),
        ("1767225600000", date(2026, 1, 1)),
        ("01/03/2026 10:00", date(2026, 3, 1)),
    ],
)
def test_times(cell: str, day: date) -> None:
    read = moments([cell, "", cell])
    assert read is not None
    assert read[1] is None
    assert read[0] is not None
    assert day_of(read[0]) == day


def test_what_is_no_time() -> None:
    assert moments(["red", "green"]) is None
    assert moments(["1", "2"]) is None
    assert moments([""]) is None


def test_columns_of_mixed_kinds() -> None:
    assert read_column(["1", "Select", "3", "?"] * 20).values[:4] == [1.0, None, 3.0, None]
    assert read_column(["a", "-", "b"]).values == ["a", None, "b"]
    mixed = read_column([*(str(n % 7) for n in range(99)), "a lot"])
    assert mixed.values[-1] is None
    assert mixed.said == "1 cells that are no numbers count as not known"
    assert read_column(["2026-01-01", "2026-01-03"] * 5).said == "read as days"
    assert all(is_missing(word.upper()) for word in MISSING)


def test_what_names_the_row_is_no_feature() -> None:
    assert "identifier" in str(read_column([f"id-{n}" for n in range(100)]).left_out)
    assert "identifier" in str(read_column([str(n) for n in range(100)]).left_out)
    assert read_column([f"{n}.5" for n in range(100)]).left_out is None
    assert read_column(["same"] * 9).left_out == "the same in every row"
    words = [f"a long text that a person wrote about the lead, number {n % 70}" for n in range(100)]
    assert read_column(words).left_out == "free text"
