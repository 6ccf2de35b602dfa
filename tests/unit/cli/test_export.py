"""What is exported is opened in spreadsheets, and much of it was typed by strangers; Parquet keeps its types."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from services.cli.contacts.export_file import Column, Parquet, cell


@pytest.mark.parametrize("text", ["=1+1", "+HYPERLINK(1)", "-A1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0bA1",
                                  "\uff0dA1", "\uff20A1", "-1_0", "+inf", "-nan", "-1+cmd|' /C calc'!A0", "+\u0663"])  # fmt: skip
def test_no_spreadsheet_runs_acell(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["+441632960961", "-5.20", "1e5", "Ada", "", "a=b", -5, -0.5])
def test_what_is_no_formula_stays(value: object) -> None:
    assert cell(value) == str(value)


def test_what_is_unknown_is_empty() -> None:
    assert cell(None) == ""


COLUMNS = (Column("id"), Column("time", "time"), Column("amount", "money"), Column("p", "number"), Column("n", "whole"))


def test_parquet_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    path, now = tmp_path / "a.parquet", datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
    first = UUID(int=1), now, Decimal("-129.90"), 0.1, 3
    file = Parquet(path, COLUMNS, 2)
    for row in (first, (None, None, None, None, None), *((str(n), now, Decimal(n), 0.5, n) for n in range(45_000))):
        file.row(row)
    file.close()
    read = parquet.ParquetFile(path)
    assert read.num_row_groups == 3, "a part at a time is in memory"
    rows = read.read().to_pylist()
    assert len(rows) == 45_002
    assert tuple(rows[0].values()) == (str(first[0]), *first[1:])
    assert set(rows[1].values()) == {None}
    types = {field.name: str(field.type) for field in read.schema_arrow}
    assert types == {
        "id": "string", "time": "timestamp[us, tz=UTC]", "amount": "decimal128(18, 2)", "p": "double", "n": "int64",
    }  # fmt: skip


def test_long_texts_are_written_before_they_fill_the_memory(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    file = Parquet(tmp_path / "a.parquet", (Column("body"),), 2)
    for _ in range(70):
        file.row(["x" * 1_000_000])
    file.close()
    assert parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


def test_a_parquet_file_of_nothing_still_has_its_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    Parquet(tmp_path / "a.parquet", COLUMNS, 0).close()
    assert parquet.read_table(tmp_path / "a.parquet").column_names == [column.name for column in COLUMNS]
