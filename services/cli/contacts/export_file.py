"""What `firsthour export` writes: CSV for spreadsheets, Parquet with its types for everything else. Row by row."""

import csv
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TextIO, TypeAlias

from services.ingest.domain.sheets.cells import as_text

Kind: TypeAlias = Literal["text", "whole", "number", "money", "time"]
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_DIGITS: Final = 18  # of an amount: what fits into 64 bits
_GROUP: Final = 20_000  # rows of Parquet in memory
_GROUP_CHARACTERS: Final = 32_000_000  # and of their text


class Column(NamedTuple):
    name: str
    kind: Kind = "text"


class Writing(Protocol):
    """A file that rows are written to. `close` completes it."""

    def row(self, values: Sequence[Any]) -> None: ...

    def close(self) -> None: ...


class Csv:
    """Cells that a spreadsheet would run are quoted with '."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow([column.name for column in columns])

    def row(self, values: Sequence[Any]) -> None:
        self._writer.writerow([cell(value) for value in values])

    def close(self) -> None:
        """Whoever opened the file closes it."""


class Parquet:
    """Amounts are decimals, times are UTC in microseconds; so many rows at a time are in memory, then a row group."""

    def __init__(self, path: Path, columns: Sequence[Column], decimals: int) -> None:
        """`decimals`: of the currency of all amounts. Raises ModuleNotFoundError without the extra `parquet`."""
        # An extra that most installations do without.
        from pyarrow import Table, decimal128, float64, int64, schema, string, timestamp
        from pyarrow.parquet import ParquetWriter

        types = {
            "text": string(),
            "whole": int64(),
            "number": float64(),
            "money": decimal128(_DIGITS, decimals),
            "time": timestamp("us", tz="UTC"),
        }
        self._schema = schema([(column.name, types[column.kind]) for column in columns])
        self._table: Callable[..., Any] = Table.from_pydict
        self._writer = ParquetWriter(path, self._schema, compression="zstd")
        self._columns: list[list[Any]] = [[] for _ in columns]
        self._text = [column.kind == "text" for column in columns]
        self._characters = 0

    def row(self, values: Sequence[Any]) -> None:
        for column, value, text in zip(self._columns, values, self._text, strict=True):
            said = str(value) if text and value is not None else value
            column.append(said)
            self._characters += len(said) if text and said else 0
        if len(self._columns[0]) >= _GROUP or self._characters >= _GROUP_CHARACTERS:
            self._write()

    def close(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if self._columns[0]:
            rows = dict(zip(self._schema.names, self._columns, strict=True))
            self._writer.write_table(self._table(rows, schema=self._schema))
        self._columns = [[] for _ in self._columns]
        self._characters = 0


def cell(value: Any) -> str:
    """A cell that no spreadsheet runs as a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return as_text(value) if isinstance(value, str) and not _is_number(value) else str(value)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None
