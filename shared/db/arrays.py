"""Statements that write many rows at once from arrays; names, order and types of the columns come from the table.

A statement is made from one mapping, which says how each column is read from a row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
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
    `beside`: what is no column of the table, with its SQL type.
    """

    table: sa.Table
    read: Mapping[str, Callable[[R], Any]]
    prefix: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> str:
        """The columns, listed."""
        return _listed(self.read)

    @property
    def unnested(self) -> str:
        """The rows as a table `u` of one statement's arrays, which `arrays` are."""
        types = {name: self.beside.get(name) or type_of(self.table, name) for name in self.read}
        casts = ", ".join(f"CAST(:{self.prefix}{name} AS {types[name]}[])" for name in self.read)
        return f"unnest({casts}) AS u ({self.columns})"

    def arrays(self, rows: Sequence[R]) -> dict[str, list[Any]]:
        """The arguments of the statement."""
        return {f"{self.prefix}{name}": list(map(value, rows)) for name, value in self.read.items()}

    def inserted(self, alias: str = "", **computed: str) -> str:
        """SQL that inserts the rows. `alias`: of the table; `computed`: further columns by their SQL."""
        return f"""
            INSERT INTO {self.table.name}{alias and f" AS {alias}"} ({_listed([*self.read, *computed])})
            SELECT {", ".join([self.columns, *computed.values()])} FROM {self.unnested}
        """  # noqa: S608 - names and SQL of this package, no input

    def added(self, key: Sequence[str], **computed: str) -> str:
        """SQL that adds the rows' sums to those that the table has of the same key. `computed`: as in `inserted`."""
        sums = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in self.read if name not in key)
        return f"{self.inserted('t', **computed)} ON CONFLICT ({_listed(key)}) DO UPDATE SET {sums}"

    def insert(self, *, returning: str, **computed: str) -> Statement:
        """Insert the rows that are not there yet. `computed`: further columns by their SQL."""
        return Statement(f"{self.inserted(**computed)} ON CONFLICT DO NOTHING RETURNING {returning}")


def by_name(row: type[NamedTuple]) -> dict[str, Callable[[Any], Any]]:
    """How columns are read from a row that has them as its fields."""
    return {name: attrgetter(name) for name in row._fields}


def by_parts(*parts: type[NamedTuple]) -> dict[str, Callable[[Any], Any]]:
    """How columns are read from a tuple of rows that have them as their fields."""
    return {name: _field(place, name) for place, part in enumerate(parts) for name in part._fields}


def by_place(*columns: str) -> dict[str, Callable[[Any], Any]]:
    """How columns are read from a tuple that holds them in this order."""
    return {name: itemgetter(place) for place, name in enumerate(columns)}


def _field(place: int, name: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row[place], name)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def type_of(table: sa.Table, column: str) -> str:
    """The column's type, as SQL writes it."""
    return str(table.c[column].type.compile(dialect=_DIALECT))
