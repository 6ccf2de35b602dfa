"""Nurture's retention periods."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.settings import NurtureSettings
from services.nurture.store import retention as store
from services.nurture.store.contacts import REMEMBERED
from shared.db.retention import Drop
from shared.db.tables import dead_letters
from shared.kafka.topics import DEAD_LETTER_RETENTION_DAYS

REMEMBER_DAYS: Final = 60  # longer than any topic's retention, so that no copy of an update can arrive later
REFUSALS_DAYS: Final = 30
_COUNT_DAYS: Final = 2


def kept_days(settings: NurtureSettings) -> dict[str, int]:
    """How long each kind of row of its own is kept."""
    return {
        "attempts": settings.nurture_keep_attempts_days,
        "runs": settings.nurture_keep_runs_days,
        "seen_updates": REMEMBER_DAYS,
        "mail_counts": _COUNT_DAYS,
        "recent_events": REMEMBERED.days,
        "refusals": REFUSALS_DAYS,
    }


def drops(settings: NurtureSettings) -> dict[str, Drop]:
    own = {what: _of(what, days) for what, days in kept_days(settings).items()}
    return {**own, "dead_letters": dead_letters.older_than(DEAD_LETTER_RETENTION_DAYS)}


def _of(what: str, days: int) -> Drop:
    async def drop(conn: AsyncConnection, most: int) -> int:
        return await store.drop(conn, what, older_than_days=days, most=most)

    return drop
