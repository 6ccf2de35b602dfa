"""A scoring of a test's own: its topics, its database, and the service itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.kafka.topics import create_topics
from tests.support.scoring_service import Api, World, a_world, scoring


@pytest.fixture
def partitions() -> int:
    """Of each topic. Tests that want another number have a fixture of this name."""
    return 3


@pytest.fixture
async def world(kafka: str, database: str, topic_prefix: str, tmp_path: Path, partitions: int) -> AsyncIterator[World]:
    async with a_world(kafka, database, topic_prefix, tmp_path) as world:
        await create_topics(kafka, world.topics, partitions=partitions, replication=1)
        yield world


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    """The service, ready."""
    async with scoring(world) as api:
        yield api
