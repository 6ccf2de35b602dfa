"""Scoring's retention periods."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.settings import LEAST_DAYS, ScoringSettings
from services.scoring.store import changes
from services.scoring.store import retention as store
from services.scoring.store.contacts import erase
from shared.db.retention import Drop
from shared.db.tables import dead_letters
from shared.kafka.topics import DEAD_LETTER_RETENTION_DAYS


def drops(settings: ScoringSettings) -> dict[str, Drop]:
    days = settings.scoring_keep_events_days

    async def events(conn: AsyncConnection, most: int) -> int:
        return await store.drop_events(conn, older_than_days=days, most=most)

    async def suppressed(conn: AsyncConnection, most: int) -> int:
        return await erase.forget_suppressed(conn, older_than_days=LEAST_DAYS, most=most)

    return {
        "events": events,
        "updates": store.drop_published,
        "changes": changes.drop,
        "erased": suppressed,
        "dead_letters": dead_letters.older_than(DEAD_LETTER_RETENTION_DAYS),
    }
