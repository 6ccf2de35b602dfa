"""The only place where time and ids are made; every rule takes both as arguments."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The wall clock, in UTC with microseconds."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): sorts by the quarter of a microsecond it was made in.

    So indexes grow at one end, and of two contacts made in one batch the older one is known (method 3 of section 6.2).
    """
    millis, rest = divmod(time.time_ns(), 1_000_000)
    value = (millis << 80) | ((rest << 12) // 1_000_000 << 64) | int.from_bytes(_eight_random_bytes(), "big")
    value |= 0x7 << 76  # version 7
    value = (value & ~(0x3 << 62)) | (0x2 << 62)  # variant RFC 9562
    return UUID(int=value)


# Random bytes for ids to come: one system call for many. A forked child must never use its parent's.
_RANDOM: list[bytes] = []
os.register_at_fork(after_in_child=_RANDOM.clear)


def _eight_random_bytes() -> bytes:
    try:
        return _RANDOM.pop()  # so that each byte goes to one thread only
    except IndexError:
        block = os.urandom(2048)
        _RANDOM.extend(block[at : at + 8] for at in range(8, len(block), 8))
        return block[:8]


def id_time(identifier: UUID) -> datetime:
    """The moment (UTC, milliseconds) in which a UUIDv7 was made."""
    return _EPOCH + timedelta(milliseconds=identifier.int >> 80)
