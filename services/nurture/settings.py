"""Settings of nurture: `FIRSTHOUR_…`, each documented beside its default."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared import ports
from shared.settings import Settings


class NurtureSettings(Settings):
    """What nurture needs beyond what every service knows."""

    kafka_login: ClassVar[str] = "nurture"

    nurture_port: Annotated[int, Field(ge=0, le=65535, description="Where nurture listens.")] = ports.NURTURE
    nurture_batch: Annotated[
        int, Field(ge=1, le=5000, description="Updates worked off in one transaction, of the live lane.")
    ] = 1000
    nurture_bulk_batch: Annotated[
        int, Field(ge=1, le=5000, description="The same of the bulk lane: a live update waits for at most one.")
    ] = 500
    nurture_pool: Annotated[int, Field(ge=6, le=100, description="Connections to Postgres.")] = 10
    nurture_keep_attempts_days: Annotated[
        int, Field(ge=1, le=3650, description="How long what receivers answered is kept.")
    ] = 30
    nurture_keep_runs_days: Annotated[
        int,
        Field(
            ge=30,
            le=3650,
            description="How long an ended run is kept, with all that it sent; `reentry: once` knows no longer.",
        ),
    ] = 400
