"""Settings of scoring: `FIRSTHOUR_…`, each documented beside its default."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from shared import ports
from shared.settings import Settings

# An event is known by its id as long as it is stored: longer than any topic keeps a copy that may come again.
LEAST_DAYS: Final = 60


class ScoringSettings(Settings):
    """What scoring needs beyond what every service knows."""

    kafka_login: ClassVar[str] = "scoring"

    scoring_port: Annotated[int, Field(ge=0, le=65535, description="Where scoring listens.")] = ports.SCORING
    scoring_batch: Annotated[int, Field(ge=1, description="Live events in one transaction, at most.")] = 1000
    scoring_bulk_batch: Annotated[
        int,
        Field(
            ge=1,
            description="Bulk events in one transaction, at most; while live ones come in, so many as take 25 ms.",
        ),
    ] = 500
    scoring_keep_events_days: Annotated[
        int,
        Field(
            ge=LEAST_DAYS,
            le=3650,
            description="How long an event is kept after it came; then its bookings are summed up by factor.",
        ),
    ] = 400
