"""Rows of the database are read by the names of their columns, never by their place."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from shared.db.arrays import Rows, by_parts, by_place
from shared.db.named import named

_ROOT = Path(__file__).parents[3]
_SQL = sorted([*_ROOT.glob("services/*/store/**/*.py"), *_ROOT.glob("shared/db/**/*.py")])


class Pair(NamedTuple):
    """Read from columns in any order."""

    name: str
    age: int


@dataclass(frozen=True)
class Guest:
    """The same as a dataclass, with what is no column."""

    name: str
    age: int
    table: str = "none"


def _row(sql: str) -> "sa.Row[tuple[object, ...]]":
    with sa.create_engine("sqlite://").connect() as conn:
        return conn.execute(sa.text(sql)).one()


def test_fields_are_read_from_the_columns_of_their_names() -> None:
    row = _row("SELECT 7 AS age, 'x' AS beside, 'Ada' AS name")
    assert named(Pair, row) == Pair("Ada", 7)
    assert named(Guest, row, table="window") == Guest("Ada", 7, "window")


def test_a_field_without_a_column_is_refused() -> None:
    with pytest.raises(KeyError, match="age"):
        named(Pair, _row("SELECT 'Ada' AS name"))


def test_arrays_take_their_types_from_the_table() -> None:
    table = sa.Table("guests", sa.MetaData(), sa.Column("name", sa.Text), sa.Column("age", sa.SmallInteger))
    rows: Rows[tuple[str, int]] = Rows(table, by_place("name", "age"), "new_")
    assert rows.unnested == 'unnest(CAST(:new_name AS TEXT[]), CAST(:new_age AS SMALLINT[])) AS u ("name", "age")'
    assert rows.arrays([("Ada", 7), ("Ben", 8)]) == {"new_name": ["Ada", "Ben"], "new_age": [7, 8]}
    assert by_parts(Pair, Pair)["age"]((Pair("Ada", 7), Pair("Ben", 8))) == 8


def _by_place(tree: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id[:1].isupper():
            for each in call.args:
                inner = each.value if isinstance(each, ast.Starred) else None
                while isinstance(inner, ast.Subscript | ast.Await):
                    inner = inner.value
                if isinstance(inner, ast.Name) and inner.id == "row":
                    yield call


def test_no_store_unpacks_a_row_into_fields() -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{call.lineno}" for path in _SQL for call in _by_place(ast.parse(path.read_text()))
    ]
    assert _SQL
    assert found == []
