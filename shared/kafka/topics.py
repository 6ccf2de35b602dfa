"""The topics: names, retention, and their creation."""

from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from shared.kafka.access import OPEN, Access

_DAY_MS: Final = 24 * 3600 * 1000
EVENT_RETENTION_DAYS: Final = 28  # also why an erased contact is gone from the log within a month
DEAD_LETTER_RETENTION_DAYS: Final = 90
MAX_MESSAGE_BYTES: Final = 1_048_576
LARGEST_EVENT: Final = MAX_MESSAGE_BYTES - 65_536  # an update holds the event and what scoring knows of its contact
_ALREADY_EXISTS: Final = 36


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics under one prefix (empty in production)."""

    prefix: str = ""

    @property
    def events(self) -> str:
        return f"{self.prefix}firsthour.events"

    @property
    def events_bulk(self) -> str:
        """Imports and backfills; the live lane always goes first."""
        return f"{self.prefix}firsthour.events.bulk"

    @property
    def updates(self) -> str:
        """What scoring made of each live event."""
        return f"{self.prefix}firsthour.updates"

    @property
    def updates_bulk(self) -> str:
        """What scoring made of each bulk event: on a topic of its own, so that an import delays no live follow-up."""
        return f"{self.prefix}firsthour.updates.bulk"

    @property
    def dead_letters(self) -> str:
        """Original bytes of what can never work; origin and reason in the headers."""
        return f"{self.prefix}firsthour.dead-letters"

    def retention_days(self) -> dict[str, int]:
        """Every topic with its retention in days."""
        events = (self.events, self.events_bulk, self.updates, self.updates_bulk)
        return {**dict.fromkeys(events, EVENT_RETENTION_DAYS), self.dead_letters: DEAD_LETTER_RETENTION_DAYS}


async def create_topics(
    bootstrap: str, topics: Topics, *, partitions: int, replication: int, access: Access = OPEN
) -> list[str]:
    """Create the topics that do not exist yet; return their names. Raises KafkaError with the broker's reason."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, client_id="firsthour-topics", request_timeout_ms=15000, **access.arguments()
    )
    await admin.start()
    try:
        response = await admin.create_topics(
            [
                NewTopic(
                    name,
                    num_partitions=partitions,
                    replication_factor=replication,
                    topic_configs={
                        "cleanup.policy": "delete",  # gapless offsets: the loop checks that they are contiguous
                        "retention.ms": str(days * _DAY_MS),
                        "max.message.bytes": str(MAX_MESSAGE_BYTES),
                        "min.insync.replicas": "2" if replication > 2 else "1",  # noqa: PLR2004 - of three, one may be away
                        "unclean.leader.election.enable": "false",
                    },
                )
                for name, days in topics.retention_days().items()
            ]
        )
    finally:
        await admin.close()
    created = []
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.append(name)
        elif code != _ALREADY_EXISTS:
            raise for_code(code)(f"{name}: {message[0] if message else ''}")
    return created
