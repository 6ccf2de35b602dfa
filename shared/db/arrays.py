"""Statements that write many rows at once from arrays; names, order and types of the columns come from the table.

A statement is made from one mapping, which says how each column is read from a row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from shared.db.statement import Statement

R = TypeVar("R")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # the package has no types here


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """Rows of a table as arrays: `read` says for each column how its value is found.

    Arguments are named after the columns, behind `prefix`, so that several kinds of rows fit into one statement.
    """

    table: sa.Table
    read: Mapping[str, Callable[[R], Any]]
    prefix: str = ""

    @property
    def columns(self) -> str:
        """The columns, listed."""
        return _listed(self.read)

    @property
    def unnested(self) -> str:
        """The rows as a table `u` of one statement's arrays, which `arrays` are."""
        casts = ", ".join(f"CAST(:{self.prefix}{name} AS {type_of(self.table, name)}[])" for name in self.read)
        return f"unnest({casts}) AS u ({self.columns})"

    def arrays(self, rows: Sequence[R]) -> dict[str, list[Any]]:
        """The arguments of the statement."""
        return {f"{self.prefix}{name}": list(map(value, rows)) for name, value in self.read.items()}

    def inserted(self, **computed: str) -> str:
        """SQL that inserts the rows. `computed`: further columns by their SQL."""
        return f"""
            INSERT INTO {self.table.name} ({_listed([*self.read, *computed])})
            SELECT {", ".join([self.columns, *computed.values()])} FROM {self.unnested}
        """  # noqa: S608 - names and SQL of this package, no input

    def insert(self, *, returning: str, **computed: str) -> Statement:
        """Insert the rows that are not there yet. `computed`: further columns by their SQL."""
        return Statement(f"{self.inserted(**computed)} ON CONFLICT DO NOTHING RETURNING {returning}")


def by_name(row: type[NamedTuple]) -> dict[str, Callable[[Any], Any]]:
    """How columns are read from a row that has them as its fields."""
    return {name: attrgetter(name) for name in row._fields}


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def type_of(table: sa.Table, column: str) -> str:
    """The column's type, as SQL writes it."""
    return str(table.c[column].type.compile(dialect=_DIALECT))
