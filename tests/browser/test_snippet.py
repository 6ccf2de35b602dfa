"""The site snippet in a real browser on a page of another origin, with a real ingest and a real broker behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from shared.kafka.topics import Topics, create_topics
from tests.browser.site import World
from tests.browser.site import world as running_world


@pytest.fixture
async def world(kafka: str, topic_prefix: str, tmp_path: Path, browser: Browser) -> AsyncIterator[World]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running_world(kafka, topic_prefix, tmp_path, browser) as world:
        yield world


async def test_a_page_view_arrives_with_its_visitor_and_campaign(world: World) -> None:
    visitor = await world.visitor(locale="de-AT", timezone_id="Europe/Vienna")
    await visitor.visit("/?utm_source=google&utm_campaign=spring&gclid=g-1#part")
    ((event, viewed),) = await world.ingest.events(1)
    assert (event.type, viewed.kind) == ("engagement.recorded", "page_viewed")
    assert viewed.what == f"{world.site.origin}/?utm_source=google&utm_campaign=spring&gclid=g-1"
    assert (viewed.campaign.source, viewed.campaign.name, viewed.campaign.gclid) == ("google", "spring", "g-1")
    assert f'"{viewed.identity.anonymous_id}"' == (await visitor.stored())["firsthour.id"]
    assert visitor.complaints == []
