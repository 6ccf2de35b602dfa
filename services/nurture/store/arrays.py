"""Statements that write many rows at once from arrays; names, order and types of the columns come from the table.

How each column is read from a row stands once, in the mapping that such a statement is made of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from shared.db.statement import Statement

R = TypeVar("R")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # the package has no types here


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """Rows of a table as arrays: `read` says for each column how its value is found."""

    table: sa.Table
    read: Mapping[str, Callable[[R], Any]]

    @property
    def columns(self) -> str:
        """The columns, listed."""
        return ", ".join(self.read)

    @property
    def unnested(self) -> str:
        """The rows as a table `u` of one statement's arrays, which `arrays` are."""
        casts = ", ".join(f"CAST(:{name} AS {type_of(self.table, name)}[])" for name in self.read)
        return f"unnest({casts}) AS u ({self.columns})"

    def arrays(self, rows: Sequence[R]) -> dict[str, list[Any]]:
        """The arguments of the statement."""
        return {name: list(map(value, rows)) for name, value in self.read.items()}

    def insert(self, *, returning: str, **computed: str) -> Statement:
        """Insert the rows that are not there yet. `computed`: further columns by their SQL."""
        return Statement(f"""
            INSERT INTO {self.table.name} ({", ".join([*self.read, *computed])})
            SELECT {", ".join([*self.read, *computed.values()])} FROM {self.unnested}
            ON CONFLICT DO NOTHING RETURNING {returning}
        """)  # noqa: S608 - names and SQL of this package, no input


def type_of(table: sa.Table, column: str) -> str:
    """The column's type, as SQL writes it."""
    return str(table.c[column].type.compile(dialect=_DIALECT))
