"""Scoring's database and the model in force, for commands that value contacts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cli.service_database import connected
from services.scoring.config import load_scoring
from services.scoring.domain.model.model import Model
from services.scoring.models import InForce
from shared.settings import Settings


@asynccontextmanager
async def valued(given: Settings) -> AsyncIterator[tuple[AsyncConnection, Model]]:
    """A transaction in scoring's schema, and the configured model with what is learnt. Raises as `connected`."""
    models = InForce(load_scoring(given.config))
    async with connected(given.database_url(), "scoring") as conn:
        await models.refresh(conn)
        yield conn, models.model
