"""What passes through the loop: values that know nothing of their content."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:  # ingest only publishes, and loads no database library
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.db.statement import Statement

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
Kind: TypeAlias = Literal["permanent", "unforeseen"]


class Record(NamedTuple):
    """One message as read. `timestamp` is Kafka's, in milliseconds since 1970, UTC.

    `offset` is Kafka's, but keeps counting when the topic is recreated (see shared/db/tables/offsets.py).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: Headers = ()


class Outgoing(NamedTuple):
    """One message to publish. Its bytes are stored before it is sent, so that it can be republished unchanged."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Sender(NamedTuple):
    """Who sent a record. All untrusted senders may be one stranger."""

    name: str
    trusted: bool


class DeadLetter(NamedTuple):
    """A record that can never work, and why. The reason names fields, never their values.

    `kind`: a rule foresaw it (`permanent`), or an exception nobody wrote a rule for (`unforeseen`).
    """

    record: Record
    error_class: str
    reason: str
    kind: Kind = "permanent"


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler made of a batch: what to publish, what to dead-letter, and what to do once it is committed."""

    outgoing: Sequence[Outgoing] = ()
    dead: Sequence[DeadLetter] = ()
    after_commit: Callable[[], None] | None = None


class AtOnce(NamedTuple):
    """What a handler made of a batch, and the one statement that writes it (`offsets.with_offsets`)."""

    handled: Handled
    statement: "Statement"
    values: Mapping[str, Any]


# Makes of a few records, by reading alone, what one statement then writes, unless what it rests upon has changed
# meanwhile. None where it cannot. The connection is in no transaction: each of its statements stands alone.
HandleAtOnce: TypeAlias = Callable[["AsyncConnection", Sequence[Record]], Awaitable[AtOnce | None]]


class Handler(Protocol):
    """What a service makes of records. It never sees an offset move."""

    async def handle(self, conn: "AsyncConnection", records: Sequence[Record]) -> Handled:
        """Process the batch inside its transaction. Raise Transient to have it repeated after a wait."""
        ...

    async def unpublished(
        self, conn: "AsyncConnection", topic: str, partition: int, first: int, end: int
    ) -> Sequence[Outgoing]:
        """What was stored for publication at offsets `first <= offset < end`, byte for byte, in order."""
        ...

    def sender(self, record: Record) -> Sender:
        """Who sent the record. Called for dead letters only: it must not raise, whatever the record holds."""
        ...
