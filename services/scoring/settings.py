"""Settings of scoring: `FIRSTHOUR_…`, each documented beside its default."""

from typing import Annotated

from pydantic import Field

from shared.settings import Settings


class ScoringSettings(Settings):
    """What scoring needs beyond what every service knows."""

    scoring_port: Annotated[int, Field(ge=0, le=65535, description="Where scoring listens.")] = 8081
    scoring_batch: Annotated[int, Field(ge=1, description="Live events in one transaction, at most.")] = 1000
    scoring_bulk_batch: Annotated[
        int, Field(ge=1, description="Bulk events in one transaction: a live one waits for at most one such.")
    ] = 500
