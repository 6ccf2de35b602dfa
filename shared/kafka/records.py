"""What goes through the loop: values that know nothing of what they carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Record(NamedTuple):
    """One message as it was read. `timestamp` is Kafka's, in milliseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int


class Outgoing(NamedTuple):
    """One message to publish. Its bytes are stored before it is sent, so that it can be sent again unchanged."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class DeadLetter(NamedTuple):
    """A record that can never work, and why. The reason names no personal data."""

    record: Record
    error_class: str
    reason: str


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler made of a batch: what to publish once it is committed, and what can never work."""

    outgoing: Sequence[Outgoing] = ()
    dead: Sequence[DeadLetter] = ()
