"""Files as people export them, read without preparation."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.training.reading.cells import MISSING, is_missing, numbers
from services.scoring.training.reading.columns import read_column
from services.scoring.training.reading.moments import day_of, in_order, moments
from services.scoring.training.reading.outcome import outcomes
from services.scoring.training.reading.sheet import SheetUnusableError, read_sheet


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
    ("text", "problem"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ('[{"a": 1}]', "looks like JSON"),
        ('a,b\nx,1\n"unclosed' + ",2\nx,1" * 100, "line 3: a quotation mark"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SheetUnusableError, match=problem):
        read_sheet(written(tmp_path, text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Größe,won\n" + "5,1\n" * 100
    raw = text.encode(encoding) if encoding != "utf-16-be" else b"\xfe\xff" + text.encode(encoding)
    sheet = read_sheet(written(tmp_path, raw))
    assert list(sheet.columns) == ["Größe", "won"]
    assert sheet.count == 100


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("sep=;\na;b\n1,5;2\n", {"a": ["1,5"], "b": ["2"]}),
        ("\n\na,b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("Name, given;b\nx;1\ny;2\n", {"Name, given": ["x", "y"], "b": ["1", "2"]}),
        ('"a","x"\n"1",2,3\n"2",4,5\n', {"column 0": ["1", "2"], "a": ["2", "4"], "x": ["3", "5"]}),
        ("00001 19970101  1   11.77\n00002 19970112  1   12.00\n",
         {"column 1": ["00001", "00002"], "column 2": ["19970101", "19970112"], "column 3": ["1", "1"],
          "column 4": ["11.77", "12.00"]}),
        ("a,b\r1,2\r3,4\r", {"a": ["1", "3"], "b": ["2", "4"]}),
    ],
)  # fmt: skip
def test_what_programs_write(tmp_path: Path, text: str, columns: dict[str, list[str]]) -> None:
    assert read_sheet(written(tmp_path, text)).columns == columns


def test_what_is_no_text_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SheetUnusableError, match="save it as CSV"):
        read_sheet(written(tmp_path, b"PK\x03\x04" + bytes(range(256))))


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
        (["yes", "", ""], [1, 0, 0]),  # who is not marked has not converted
        (["Not_Converted", "Converted"], [0, 1]),
        (["No response", "Response", "Response"], [0, 1, 1]),
        (["unsold", "sold", "sold"], [0, 1, 1]),
        (["ja", "nein", "nein"], [1, 0, 0]),
        (["True.", "False.", "True."], [1, 0, 1]),
        (["-1", "1", "1"], [0, 1, 1]),
        (["b'yes'", "b'no'"], [1, 0]),
        (["Closed Won", "Closed Lost", "Open"], [1, 0, None]),
        (["New", "Contacted", "Converted"], [0, 0, 1]),
        (["2026-01-02", "", "2026-03-01", "-"], [1, 0, 1, 0]),  # the day of the conversion
        (["120.50", "0", "", "99"], [1, 0, 0, 1]),  # what was sold
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
        ("1'234.5", 1234.5),
        ("(3)", -3.0),
        ("\u22125", -5.0),
        ("$1,234", 1234.0),
        ("99.50 EUR", 99.5),
        ("10k", 10_000.0),
        ("1.2 M", 1_200_000.0),
        ("12,34,567", 1_234_567.0),
        ("10-50", None),
        (">500", None),
        ("1.2.3", None),
        (".5", 0.5),
        ("twelve", None),
        ("", None),
        ("1e999", None),
        ("-", None),
    ],
)
def test_numbers(cell: str, number: float | None) -> None:
    assert numbers([cell]) == [number]


def test_whether_a_comma_is_a_decimal_one_is_decided_for_all_cells() -> None:
    assert numbers(["1,5", "1.234,50", "1,234"]) == [1.5, 1234.5, 1.234]
    assert numbers(["1,234", "2,000"]) == [1234.0, 2000.0]
    assert numbers(["1,234.50", "1,5"]) == [1234.5, None]


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading(text: str) -> None:
    for value in numbers([text]):
        assert value is None or abs(value) < float("inf")
    read_column([text] * 3 + ["other"])
    moments([text])


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        ("2026-03-01", "2026-03-01T00:00"),
        ("2026-03-01T10:00:00+02:00", "2026-03-01T08:00"),
        ("2026-03-01 10:00:00.123456 UTC", "2026-03-01T10:00"),
        ("2026/3/1 9:05", "2026-03-01T09:05"),
        ("01.03.2026", "2026-03-01T00:00"),
        ("2026-03", "2026-03-01T00:00"),
        ("1767225600", "2026-01-01T00:00"),
        ("1767225600000", "2026-01-01T00:00"),
        ("13/03/2026 10:00", "2026-03-13T10:00"),
        ("03/13/2026 10:00 PM", "2026-03-13T22:00"),
        ("3/13/26 12:05 am", "2026-03-13T00:05"),
        ("20260313", "2026-03-13T00:00"),
        ("20260313T101500Z", "2026-03-13T10:15"),
        ("13-Mar-26", "2026-03-13T00:00"),
        ("13. März 2026", "2026-03-13T00:00"),
        ("March 13, 2026 3:04 PM", "2026-03-13T15:04"),
        ("Fri, 13 Mar 2026 10:00:00 +0100", "2026-03-13T09:00"),
        ("Fri Mar 13 10:00:00 UTC 2026", "2026-03-13T10:00"),
        ("Mar-2026", "2026-03-01T00:00"),
        ("2026Q2", "2026-04-01T00:00"),
        ("2026-W11", "2026-03-09T00:00"),
        ("03/2026", "2026-03-01T00:00"),
    ],
)
def test_times(cell: str, at: str) -> None:
    read = moments([cell, "", cell])
    assert read is not None
    assert read.values[1] is None
    assert read.values[0] is not None
    assert int(read.values[0]) // 60 == datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() // 60
    assert day_of(read.values[0]) == date.fromisoformat(at[:10])


def test_the_first_of_two_numbers_is_the_day_or_the_month_in_all_rows_alike() -> None:
    def days(cells: list[str]) -> list[str]:
        read = moments(cells)
        assert read is not None
        return [str(day_of(each)) for each in read.values if each is not None]

    # One row tells of all others, though it comes late.
    assert days(["01/02/2026"] * 400 + ["31/02/2026", "30/03/2026"])[:1] == ["2026-02-01"]
    assert days(["01/02/2026"] * 400 + ["03/30/2026"])[0] == "2026-01-02"
    # No row tells: files are mostly in the order of time.
    assert days([f"0{n // 3 + 1}/0{4 * (n % 3) + 1}/2026" for n in range(12)])[-1] == "2026-04-09"
    assert days([f"0{4 * (n % 3) + 1}/0{n // 3 + 1}/2026" for n in range(12)])[-1] == "2026-04-09"
    assert days(["02/01/2026 1:00 PM", "02/01/2026 1:00 PM"])[0] == "2026-02-01"
    assert days(["02/01/2026", "02/01/2026"])[0] == "2026-01-02"


def test_what_is_no_time() -> None:
    assert moments(["red", "green"]) is None
    assert moments(["1", "2"]) is None
    assert moments([""]) is None
    assert in_order(["red", "green"]) is None


def test_numbers_that_only_tell_the_order_are_taken_as_days() -> None:
    read = in_order(["3", "1", "", "2"])
    assert read is not None
    assert read.values == [3 * 86400.0, 86400.0, None, 2 * 86400.0]
    years = in_order(["2024", "2026"])
    assert years is not None
    assert [day_of(each).year for each in years.values if each is not None] == [2024, 2026]


def test_columns_of_mixed_kinds() -> None:
    assert read_column(["1", "Select", "3", "?"] * 20).values[:4] == [1.0, None, 3.0, None]
    assert read_column(["a", "-", "b"]).values == ["a", None, "b"]
    mixed = read_column([*(str(n % 7) for n in range(99)), "a lot"])
    assert mixed.values[-1] is None
    assert mixed.said == "1 cells that are no numbers count as not known"
    assert read_column(["2026-01-01", "2026-01-03"] * 5).said == "read as days"
    assert all(is_missing(word.upper()) for word in MISSING)
    assert all(map(is_missing, ("--Select--", "<null>", "(not set)", "[None]", "n.a.", "NOT_KNOWN", "\u2014", "...")))
    assert not any(map(is_missing, ("no", "0", "nonexistent", "other")))


def test_what_names_the_row_is_no_feature() -> None:
    assert "identifier" in str(read_column([f"id-{n}" for n in range(100)]).left_out)
    assert "identifier" in str(read_column([str(n) for n in range(100)]).left_out)
    assert read_column([f"{n}.5" for n in range(100)]).left_out is None
    assert "identifier" in str(read_column([str(579_533 + 9 * (n * 37 % 1000)) for n in range(1000)]).left_out)
    assert "identifier" in str(read_column([str(n * n * 7919) for n in range(100)], "Lead Number").left_out)
    # Amounts that happen not to repeat are amounts.
    assert read_column([str(n * 7919 % 900_001) for n in range(1, 200)], "income").left_out is None
    assert read_column(["", "-"] * 9).left_out == "empty"
    assert read_column(["20260131", "20260228"] * 9).times is not None
    assert read_column(["same"] * 9).left_out == "the same in every row"
    words = [f"a long text that a person wrote about the lead, number {n % 70}" for n in range(100)]
    assert read_column(words).left_out == "free text"


def test_rows_above_the_header_are_left_out(tmp_path: Path) -> None:
    table = "source;age;team;won\nad;1;2;0\nfair;3;4;1\n"
    sheet = read_sheet(written(tmp_path, "Leads report;;;\nAll time;;;\n\n" + table))
    assert list(sheet.columns) == ["source", "age", "team", "won"]
    assert sheet.count == 2
    assert "2 rows above the header are left out" in sheet.said
    assert list(read_sheet(written(tmp_path, "Leads report\n" + table)).columns) == ["source", "age", "team", "won"]


def test_a_very_long_cell_is_a_cell(tmp_path: Path) -> None:
    assert len(read_sheet(written(tmp_path, "a,b\n" + "x" * 1_000_000 + ",2\n")).column("a")[0]) == 1_000_000


def test_days_in_several_forms() -> None:
    found = moments(["2026-01-31", "31.01.2026", "13.02.2026", "2026-02-13"])
    assert found is not None
    assert found.values[0] == found.values[1]
    assert found.values[2] == found.values[3]
