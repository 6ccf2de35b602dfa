"""`GET /v1/sources`: what each source sent lately, and the last refusals with their reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from services.ingest.accept.recent import OfSource, Recent
from services.ingest.config.source import Sources
from services.ingest.http.refusals import Refusal, Refusals
from shared.clock import utc_now
from shared.http.auth import Tokens
from shared.http.problems import PROBLEM_SCHEMA


class MinuteOut(BaseModel):
    """The counts of one minute, in UTC."""

    begins: datetime
    accepted: int
    refused: int


class RefusalOut(BaseModel):
    """A refused request: the reason and the fields, never a value."""

    at: datetime
    reason: str
    fields: list[str]


class SourceOut(BaseModel):
    """One source; `none` stands for requests of no known source."""

    source: str
    kind: str | None
    last_event: datetime | None
    accepted_per_minute: float
    refused_per_minute: float
    minutes: list[MinuteOut]
    refusals: list[RefusalOut]


class SourcesOut(BaseModel):
    """All of them, since this process began."""

    since: datetime
    items: list[SourceOut]


_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}


def install(app: FastAPI, sources: Sources, recent: Recent, refusals: Refusals, tokens: Tokens) -> None:
    """Add the route; it needs the scope `read`."""

    @app.get(
        "/v1/sources",
        tags=["operations"],
        summary="What each source sent lately",
        dependencies=[Depends(tokens.read)],
        responses={
            401: {"description": "No token, or an unknown one", **_PROBLEM},
            403: {"description": "The token may not", **_PROBLEM},
        },
    )
    async def list_sources() -> SourcesOut:
        """The last event, what was accepted and refused in each minute of the last hour, the last 50 refusals.

        It is of this process: of several workers each knows its own. `/metrics` adds them up.
        """
        now = utc_now()
        told = [
            _told(name, sources, each, recent.since, now, refusals.last(name)) for name, each in recent.sources.items()
        ]
        return SourcesOut(since=recent.since, items=told)


def _told(
    name: str, sources: Sources, of: OfSource, since: datetime, now: datetime, refused: Sequence[Refusal]
) -> SourceOut:
    source, minutes = sources.by_name.get(name), of.last_minutes(now)
    length = max(1.0, min(60.0, (now - since).total_seconds() / 60))
    return SourceOut(
        source=name,
        kind=None if source is None else source.kind,
        last_event=of.last_event,
        accepted_per_minute=round(sum(each.accepted for each in minutes) / length, 2),
        refused_per_minute=round(sum(each.refused for each in minutes) / length, 2),
        minutes=[MinuteOut(**each._asdict()) for each in minutes],
        refusals=[RefusalOut(at=each.at, reason=each.reason, fields=list(each.fields)) for each in reversed(refused)],
    )
