"""Settings of nurture: `FIRSTHOUR_…`, each documented beside its default."""

from typing import Annotated, ClassVar, Final

from pydantic import Field, field_validator

from shared import ports
from shared.durations import parse_duration
from shared.settings import Settings

_OFF: Final = "off"


class NurtureSettings(Settings):
    """What nurture needs beyond what every service knows."""

    kafka_login: ClassVar[str] = "nurture"

    nurture_port: Annotated[int, Field(ge=0, le=65535, description="Where nurture listens.")] = ports.NURTURE
    nurture_batch: Annotated[
        int, Field(ge=1, le=5000, description="Updates worked off in one transaction, of the live lane.")
    ] = 1000
    nurture_bulk_batch: Annotated[
        int,
        Field(
            ge=1,
            le=5000,
            description="The same of the bulk lane; while live ones come in, so many as take 25 ms.",
        ),
    ] = 500
    nurture_pool: Annotated[
        int,
        Field(
            ge=6,
            le=100,
            description="Connections to Postgres for the follow-up of leads; five more are for everything else.",
        ),
    ] = 10
    nurture_keep_attempts_days: Annotated[
        int, Field(ge=1, le=3650, description="How long what receivers answered is kept.")
    ] = 30
    nurture_keep_runs_days: Annotated[
        int,
        Field(
            ge=30,
            le=3650,
            description="How long an ended enrolment is kept, with all it sent; `reentry: once` looks no further back.",
        ),
    ] = 400
    canary: Annotated[
        str,
        Field(description="How often a lead of our own goes the whole way, to see that it is open (`1m`); or `off`."),
    ] = "1m"
    canary_url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^/?#]+(/[^?#]*)?$", description="Where it comes in: ingest, or the proxy before it."
        ),
    ] = f"http://127.0.0.1:{ports.INGEST}"

    @field_validator("canary")
    @classmethod
    def _how_often(cls, text: str) -> str:
        if text != _OFF:
            parse_duration(text)
        return text

    @property
    def canary_every_s(self) -> float | None:
        """Seconds between two of them; None: there are none."""
        return None if self.canary == _OFF else parse_duration(self.canary).nominal_seconds
