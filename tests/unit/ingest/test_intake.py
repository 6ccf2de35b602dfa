"""A fact on its way to where it is safe: its id, time and trace, the disk while Kafka is away, and what is refused."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.accept.intake import Intake
from services.ingest.accept.recent import Recent
from services.ingest.accept.spool import Spool
from services.ingest.config.data_centres import DataCentres
from services.ingest.config.source import Source
from services.ingest.domain.fact import Fact
from services.ingest.domain.likelihood import Visitor
from shared import canary
from shared.clock import id_time, utc_now
from shared.events.envelope import Decoded, decode
from shared.events.identity import Identity
from shared.events.types import EngagementRecorded, LeadCaptured
from shared.http.problems import Problem
from shared.kafka.producer import Producer
from shared.kafka.topics import LARGEST_EVENT, Topics

SHOP = Source("shop", "api", "trusted")
PAGE = Source("page", "form", "public")
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EMAIL = "ada@example.com"


def a_lead(email: str = EMAIL, **given: Any) -> Fact:
    """`message=…` and the like are the lead's, the rest the fact's."""
    fact = {name: given.pop(name) for name in ("time", "sender_id") if name in given}
    identity = Identity(email=email)
    return Fact("lead.captured", identity, LeadCaptured(identity=identity, **given), **fact)


def a_visit() -> Fact:
    identity = Identity(email=EMAIL)
    return Fact("engagement.recorded", identity, EngagementRecorded(identity=identity, kind="page_viewed"))


@dataclass
class Door:
    """An intake whose Kafka is away."""

    intake: Intake
    spool: Spool | None
    recent: Recent
    registry: CollectorRegistry
    topics: list[str] = field(default_factory=list)

    async def spooled(self) -> list[Decoded]:
        """What is on the disk, in order."""
        assert self.spool is not None
        found: list[Decoded] = []
        while (oldest := await self.spool.oldest()) is not None:
            found += [decode(each.value) for each in oldest.outgoing]
            self.topics += [each.topic for each in oldest.outgoing]
            await self.spool.forget(oldest)
        return found

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def a_door(spool: Spool | None) -> Door:
    registry = CollectorRegistry()
    recent = Recent(["shop", "page"], utc_now())
    intake = Intake(
        producer=Producer("127.0.0.1:1", client_id="test"),
        spool=spool,
        topics=Topics(),
        key_secret=b"secret",
        data_centres=DataCentres([]),
        registry=registry,
        recent=recent,
    )
    return Door(intake, spool, recent, registry)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    spool = Spool(tmp_path, max_bytes=100_000)
    yield a_door(spool)
    await spool.close()


async def test_without_kafka_and_without_a_spool_it_is_refused_and_said() -> None:
    door = a_door(None)
    with pytest.raises(Problem) as refused:
        await door.intake.accept(SHOP, [a_lead()], None)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    assert door.intake.missing() == ["Kafka is not reachable"]
    assert door.intake.attention() == []
    assert not door.sample("firsthour_ingest_events_total", source="shop")
    assert door.recent.sources["shop"].last_event is None


async def test_while_kafka_is_away_the_disk_has_it_in_order(door: Door) -> None:
    ids = await door.intake.accept(SHOP, [a_lead(message=f"{n}") for n in range(5)], None)
    ids += await door.intake.accept(SHOP, [a_visit()], None)
    assert door.intake.missing() == []
    assert (door.spool is not None, door.spool and door.spool.pending) == (True, 6)
    spooled = await door.spooled()
    assert [event.id for event, _ in spooled] == ids
    assert [getattr(data, "message", None) for _, data in spooled] == ["0", "1", "2", "3", "4", None]
    assert set(door.topics) == {Topics().events}
    assert door.sample("firsthour_ingest_spooled_events_total") == 6
    assert door.sample("firsthour_ingest_events_total", source="shop") == 6
    assert door.sample("firsthour_ingest_leads_total", source="shop") == 5
    assert door.recent.sources["shop"].last_event is not None


async def test_what_is_nothing_is_accepted_and_written_nowhere(door: Door) -> None:
    assert await door.intake.accept(SHOP, [], None) == []
    assert await door.spooled() == []


async def test_an_import_s_lane_and_its_leads_are_its_own(door: Door) -> None:
    await door.intake.accept(replace(SHOP, lane="bulk"), [a_lead()], None)
    await door.spooled()
    assert door.topics == [Topics().events_bulk]
    assert not door.sample("firsthour_ingest_leads_total", source="shop")
    assert door.sample("firsthour_ingest_events_total", source="shop") == 1


async def test_a_full_disk_refuses_until_there_is_room(door: Door) -> None:
    while door.intake.missing() == []:
        try:
            await door.intake.accept(SHOP, [a_lead(message="x" * 5000)], None)
        except Problem as refused:
            assert refused.status == 503  # noqa: PT017 - it is met sooner or later
    (missing,) = door.intake.missing()
    assert "neither does the spool" in missing
    kept = len(await door.spooled())
    assert door.sample("firsthour_ingest_events_total", source="shop") == kept, "what was refused is not counted"
    await door.intake.accept(SHOP, [a_lead()], None)
    assert door.intake.missing() == []


async def test_of_a_request_with_an_event_that_is_too_large_nothing_is_kept(door: Door) -> None:
    large = a_lead(message="x" * LARGEST_EVENT)
    with pytest.raises(Problem) as refused:
        await door.intake.accept(SHOP, [a_lead(), large], None)
    assert refused.value.status == 413
    assert await door.spooled() == []


async def test_the_same_message_is_the_same_event_and_an_id_is_guessed_by_nobody(door: Door) -> None:
    async def id_of(source: Source, fact: Fact) -> UUID:
        (identifier,) = await door.intake.accept(source, [fact], None)
        return identifier

    named, other = a_lead(sender_id="m-1"), a_lead("eve@example.com", sender_id="m-1")
    assert await id_of(SHOP, named) == await id_of(SHOP, named) == await id_of(SHOP, other)
    public = {await id_of(source, fact) for source in (PAGE, replace(PAGE, keyless=True)) for fact in (named, other)}
    assert len(public) == 4
    assert await id_of(SHOP, named) not in public
    assert await id_of(PAGE, named) in public
    before = utc_now() - timedelta(seconds=1)
    made = await id_of(SHOP, a_lead())
    assert made.version == 7
    assert before <= id_time(made) <= utc_now()


@pytest.mark.parametrize(
    ("said", "kept"), [(TRACE, True), (TRACE[:-1], False), (b"00-" + b"0" * 32 + TRACE[35:], False), (None, False)]
)
async def test_a_sender_s_trace_goes_on_and_one_without_begins_with_the_event(
    door: Door, said: bytes | None, kept: bool
) -> None:
    ids = await door.intake.accept(SHOP, [a_lead(), a_visit()], said)
    traces = {event.traceparent for event, _ in await door.spooled()}
    assert traces == {TRACE.decode() if kept else f"00-{ids[0].hex}-{ids[0].hex[16:]}-01"}


async def test_when_a_lead_happened_is_believed_of_those_who_are_trusted_and_never_if_it_is_to_come(door: Door) -> None:
    now, hour = utc_now(), timedelta(hours=1)
    for time in (now - hour, now + hour, None):
        await door.intake.accept(SHOP, [a_lead(time=time)], None)
    assert door.sample("firsthour_lead_hop_seconds_count", hop="received") == 3
    waited = door.sample("firsthour_lead_hop_seconds_sum", hop="received")
    assert waited is not None
    assert 3600 <= waited < 3660
    await door.intake.accept(PAGE, [a_lead(time=now - hour)], None)
    assert door.sample("firsthour_lead_hop_seconds_sum", hop="received") == pytest.approx(waited, abs=60)


async def test_a_canary_is_nobody_s_lead(door: Door) -> None:
    await door.intake.accept(Source(canary.NAME, "form", "public"), [a_lead()], None)
    assert door.sample("firsthour_canary_hop_seconds_count", hop="acknowledged") == 1
    assert not door.sample("firsthour_lead_hop_seconds_count", hop="acknowledged")
    assert not door.sample("firsthour_ingest_events_total", source=canary.NAME)


async def test_a_visitor_is_judged_by_the_request(door: Door) -> None:
    person = Visitor("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "198.51.100.7")
    for visitor in (person, person._replace(honeypot=True)):
        await door.intake.accept(PAGE, [a_visit()], None, visitor)
    likely, robot = [data.human_likelihood for _, data in await door.spooled()]
    assert robot < likely


async def test_damaged_files_are_for_a_person_to_look_at(door: Door, tmp_path: Path) -> None:
    assert door.intake.attention() == []
    (tmp_path / "0" / "000000000001.damaged").touch()
    assert door.spool is not None
    await door.spool.adopt()
    assert door.intake.attention() == ["1 damaged files of the spool, kept aside as spool/*/*.damaged"]
