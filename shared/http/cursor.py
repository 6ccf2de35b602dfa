"""Opaque cursors: where a list continues. Never a row number, so that new rows shift nothing."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from fastapi import Query

from shared.http.problems import FieldError, Problem

Part: TypeAlias = str | int
Cursor: TypeAlias = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]


def encode_cursor(*values: datetime | UUID | Part) -> str:
    """The sort values of a page's last row as one opaque word."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def read_cursor(text: str, *kinds: Callable[[Part], Any]) -> tuple[Any, ...]:
    """The sort values in a cursor, each read by its kind: `moment`, `row_id`, `number`.

    Raises Problem 400 when no list of these kinds gave out the cursor.
    """
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[Part])
        return tuple(read(part) for read, part in zip(kinds, parts, strict=True))
    except (binascii.Error, msgspec.MsgspecError, ValueError, OverflowError):
        wrong = FieldError("/query/cursor", "not a cursor that this list gave out")
        raise Problem(400, "The cursor cannot be read", errors=[wrong]) from None


def moment(part: Part) -> datetime:
    """A moment in UTC. Raises ValueError or OverflowError when it is none, or lies beyond the years 1 to 9999 there."""
    return datetime.fromisoformat(str(part)).astimezone(UTC)


def row_id(part: Part) -> UUID:
    """An id. Raises ValueError when it is none."""
    return UUID(str(part))


def number(largest: int) -> Callable[[Part], int]:
    """A whole number from 0 to `largest`; else it raises ValueError."""

    def read(part: Part) -> int:
        if not isinstance(part, int) or not 0 <= part <= largest:
            raise ValueError
        return part

    return read
