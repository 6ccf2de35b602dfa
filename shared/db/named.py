"""Rows read by the names of their columns: their order in a SELECT never matters."""

from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
import msgspec
import sqlalchemy as sa

T = TypeVar("T")


def named(kind: type[T], row: sa.Row[Any] | asyncpg.Record, **computed: Any) -> T:
    """The `kind` (a NamedTuple, dataclass or Struct) whose fields are columns of this row.

    `computed`: fields that are no columns. Columns that are no fields are left alone. Raises KeyError for a field
    without a column.
    """
    read = columns(row)
    known = _fields_of(kind)  # type: ignore[arg-type] # a class is hashable; mypy doubts it
    return kind(**{name: read[name] for name in known if name not in computed}, **computed)


def columns(row: sa.Row[Any] | asyncpg.Record) -> Mapping[str, Any]:
    """The row's values by the names of their columns."""
    read: Mapping[str, Any] = row._mapping if isinstance(row, sa.Row) else row  # type: ignore[assignment] # noqa: SLF001 - public, whatever it looks like; the driver's rows are mappings
    return read


@lru_cache
def _fields_of(kind: Hashable) -> tuple[str, ...]:
    if is_dataclass(kind):
        return tuple(each.name for each in fields(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    names: tuple[str, ...] = kind._fields  # type: ignore[attr-defined] # a NamedTuple has them
    return names
