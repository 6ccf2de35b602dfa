"""What goes through the loop: values that know nothing of what they carry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection  # who only publishes loads no database library

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
Kind: TypeAlias = Literal["permanent", "unforeseen"]


class Record(NamedTuple):
    """One message as it was read. `timestamp` is Kafka's, in milliseconds since 1970, UTC.

    `offset` is Kafka's, but counts on where the topic was made anew (see shared/db/offsets.py).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: Headers = ()


class Outgoing(NamedTuple):
    """One message to publish. Its bytes are stored before it is sent, so that it can be sent again unchanged."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Sender(NamedTuple):
    """Who said what a record holds. One stranger may be every sender that is not trusted."""

    name: str
    trusted: bool


class DeadLetter(NamedTuple):
    """A record that can never work, and why. The reason names fields, never what stands in them.

    `kind`: somebody foresaw this (`permanent`), or it raised what nobody wrote a rule for (`unforeseen`).
    """

    record: Record
    error_class: str
    reason: str
    kind: Kind = "permanent"


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler made of a batch: what to publish, what can never work, and what to do, once it is committed."""

    outgoing: Sequence[Outgoing] = ()
    dead: Sequence[DeadLetter] = ()
    after_commit: Callable[[], None] | None = None


class Handler(Protocol):
    """What a service makes of records. It never sees an offset move."""

    async def handle(self, conn: "AsyncConnection", records: Sequence[Record]) -> Handled:
        """Do the batch inside its transaction. Raise Transient to have it repeated after a wait."""
        ...

    async def unpublished(
        self, conn: "AsyncConnection", topic: str, partition: int, first: int, end: int
    ) -> Sequence[Outgoing]:
        """What was stored to be published for offsets `first <= offset < end`, byte for byte, in order."""
        ...

    def sender(self, record: Record) -> Sender:
        """Who sent the record: asked for dead letters alone, so whatever stands in it, this must not raise."""
        ...
