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
    """A UUIDv7 (RFC 9562): sorts by the millisecond it was made in, so indexes grow at one end."""
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | int.from_bytes(_ten_random_bytes(), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)  # version 7
    value = (value & ~(0x3 << 62)) | (0x2 << 62)  # variant RFC 9562
    return UUID(int=value)


# Random bytes for ids to come: one system call for many. A forked child must never use its parent's.
_RANDOM: list[bytes] = []
os.register_at_fork(after_in_child=_RANDOM.clear)


def _ten_random_bytes() -> bytes:
    try:
        return _RANDOM.pop()  # so that each byte goes to one thread only
    except IndexError:
        block = os.urandom(2560)
        _RANDOM.extend(block[at : at + 10] for at in range(10, len(block), 10))
        return block[:10]


def id_time(identifier: UUID) -> datetime:
    """The moment (UTC, milliseconds) in which a UUIDv7 was made."""
    return _EPOCH + timedelta(milliseconds=identifier.int >> 80)
