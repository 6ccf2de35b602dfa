"""What each service may do on a Kafka with authentication: as little as its work needs, granted by `setup`.

Kafka calls these ACLs. A user without a grant is refused everything; `setup` itself has to be a super user.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.api import Request

from shared.kafka.access import OPEN, Access
from shared.kafka.topics import Topics

Resource: TypeAlias = Literal["topic", "group"]
Operation: TypeAlias = Literal["read", "write"]

USERS: Final = ("ingest", "scoring", "nurture")
_RESOURCES: Final[dict[Resource, int]] = {"topic": 2, "group": 3}
_OPERATIONS: Final[dict[Operation, int]] = {"read": 3, "write": 4}  # each includes to see that it is there
_LITERAL: Final = 3  # the exact name, not a pattern
_ALLOW: Final = 3


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that one user may do."""

    user: str
    operation: Operation
    resource: Resource
    name: str


def rights(topics: Topics) -> tuple[Right, ...]:
    """Who needs what. All three write events: scoring and nurture publish what they did, as events."""
    return tuple(_rights(topics))


def _rights(topics: Topics) -> Iterator[Right]:
    events, updates = (topics.events, topics.events_bulk), (topics.updates, topics.updates_bulk)
    for user in USERS:
        yield from (Right(user, "write", "topic", name) for name in events)
    yield from (Right("scoring", "write", "topic", name) for name in updates)
    for user, read in (("scoring", events), ("nurture", updates)):
        yield from (Right(user, "read", "topic", name) for name in read)
        yield Right(user, "read", "group", f"{topics.prefix}{user}")
        yield Right(user, "write", "topic", topics.dead_letters)


class _Grants(Request[CreateAclsRequest_v1]):  # type: ignore[misc] # the package has no types here
    """All of them in one request; the library's own takes one."""

    API_KEY: ClassVar[int] = CreateAclsRequest_v1.API_KEY

    def __init__(self, granted: tuple[Right, ...]) -> None:
        self._granted = granted

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        """The request as it goes over the wire."""
        return request_struct_class(
            [
                (
                    _RESOURCES[right.resource],
                    right.name,
                    _LITERAL,
                    f"User:{right.user}",
                    "*",
                    _OPERATIONS[right.operation],
                    _ALLOW,
                )
                for right in self._granted
            ]
        )


async def grant(bootstrap: str, topics: Topics, *, access: Access = OPEN) -> None:
    """Allow every service what it needs; what is allowed already stays. Raises KafkaError with the broker's reason."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="firsthour-rights", **access.arguments())
    granted = rights(topics)
    try:
        await client.bootstrap()
        answer: Any = await client.send(client.get_random_node(), _Grants(granted))
    finally:
        await client.close()
    for right, (code, message) in zip(granted, answer.creation_responses, strict=True):
        if code:
            raise for_code(code)(f"{right.user} may not be allowed to {right.operation} {right.name}: {message or ''}")
