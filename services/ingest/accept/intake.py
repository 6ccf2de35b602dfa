"""Accepts facts: gives each its id, time, key and trace, and returns once a broker or the disk has it."""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.ingest.accept.outgoing import as_outgoing, event_id
from services.ingest.accept.recent import Recent
from services.ingest.accept.spool import Spool, SpoolFull
from services.ingest.config.data_centres import DataCentres
from services.ingest.config.source import Source
from services.ingest.domain.fact import Fact, Told
from services.ingest.domain.likelihood import Agents, Visitor, judged, undoubted
from services.ingest.metrics import IntakeMetrics
from shared import canary, log
from shared.clock import new_id, utc_now
from shared.errors import Permanent, Transient
from shared.http.problems import FieldError, Problem
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing
from shared.kafka.topics import LARGEST_EVENT, Topics
from shared.lead_hops import LEAD, CanaryHops
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_IDLE_S: Final = 0.25
_REST_S: Final = 1.0  # while the spool is empty
_ADOPT_EVERY_S: Final = 10.0
_PROBE_EVERY_S: Final = 1.0
_FEW: Final = 2000  # events that are drained while newer ones are held back
_HELD_S: Final = 1.0
_AT_A_STRETCH_S: Final = 0.01  # of the event loop, for one request of many events


class Intake:
    """The one way from a request into Kafka; the spool holds what Kafka cannot take now."""

    def __init__(
        self,
        *,
        producer: Producer,
        spool: Spool | None,
        topics: Topics,
        key_secret: bytes,
        data_centres: DataCentres,
        registry: CollectorRegistry,
        recent: Recent,
    ) -> None:
        """`spool` None: what Kafka does not acknowledge is refused with 503."""
        self._producer = producer
        self._spool = spool
        self._topics = {"live": topics.events, "bulk": topics.events_bulk}
        self._key_secret = key_secret
        self._data_centres = data_centres
        self._log_each = log.is_debug(__name__)
        self._metrics = IntakeMetrics(registry)
        self._canary = CanaryHops(registry, "received", "acknowledged")
        self._recent = recent
        self._held_back: asyncio.Event | None = None  # set once the spool is empty, or cannot be emptied now
        if spool is not None:
            spool.on_written = self._metrics.written
            self._metrics.spool(spool)

    def missing(self) -> list[str]:
        """Why it cannot accept events; empty while the spool takes them."""
        spool = self._spool
        if self._producer.ready and not (spool is not None and spool.pending):
            return []
        if spool is None:
            return ["Kafka is not reachable"]
        if spool.refusing is None:
            return []
        return [f"Kafka takes nothing yet, and neither does the spool: {spool.refusing}"]

    def attention(self) -> list[str]:
        """What needs a person's attention although it works."""
        count = 0 if self._spool is None else self._spool.damaged
        return [f"{count} damaged files of the spool, kept aside as spool/*/*.damaged"] if count else []

    async def accept(
        self, source: Source, facts: Iterable[Fact], traceparent: bytes | None, visitor: Visitor | None = None
    ) -> list[UUID]:
        """The ids of the facts, once all are safe. Raises Problem 503 otherwise.

        `visitor`: what the request itself shows of the person, when a browser sent it.
        After a 503 some may be safe all the same: a repeated message id is the same event.
        """
        now = utc_now()
        trace = _given(traceparent)
        topic, path = self._topics[source.lane], source.path
        ids: list[UUID] = []
        live = source.lane == "live"
        agents = Agents()
        rest_at = time.monotonic() + _AT_A_STRETCH_S
        outgoing: list[Outgoing] = []  # all that is held of many facts while Kafka takes them
        leads: list[datetime] = []  # their times, as far as they are believed
        for said in facts:
            if visitor is not None:  # a public sender is judged by the request, whatever it claims
                fact = judged(said, visitor)
            else:
                fact = said if said.told is None else self._judged(said, said.told, agents, now)
            identifier = (event_id(fact, source) if fact.sender_id else None) or new_id()
            trace = trace or _trace_of(identifier)
            ids.append(identifier)
            if live and fact.type == LEAD:
                leads.append(now if source.public or fact.time is None else min(fact.time, now))
            outgoing.append(
                as_outgoing(
                    fact,
                    topic=topic,
                    source=path,
                    shop=source.shop,
                    trust=source.trust,
                    identifier=identifier,
                    now=now,
                    trace=trace,
                    key_secret=self._key_secret,
                )
            )
            if time.monotonic() > rest_at:  # let other requests run
                await asyncio.sleep(0)
                rest_at = time.monotonic() + _AT_A_STRETCH_S
        if not outgoing:
            return ids
        await self._safe(outgoing)
        if self._log_each:
            for identifier in ids:
                _LOG.debug("accepted", event_id=str(identifier), trace_id=log.trace_id(trace or ""), source=source.name)
        self._count(source.name, len(ids), leads, now)
        return ids

    def _count(self, source: str, events: int, leads: Sequence[datetime], received: datetime) -> None:
        """Count safe events of the source."""
        if source == canary.NAME:
            self._canary.passed("received", leads, received)
            self._canary.passed("acknowledged", leads, utc_now())
            return
        self._metrics.accepted(source, events, leads, received)
        self._recent.accepted(source, events, received)

    def _judged(self, fact: Fact, told: Told, agents: Agents, now: datetime) -> Fact:
        """The fact, judged by what a server-side sender tells of the visitor."""
        if (agent := agents.one(told.agent)) is not told.agent:
            told = told._replace(agent=agent)
        if undoubted(told):
            return fact
        visitor = Visitor(
            told.agent,
            told.address,
            after_mail_s=None if told.mail_sent is None else ((fact.time or now) - told.mail_sent).total_seconds(),
            data_centre=told.mail_sent is not None
            and told.address is not None
            and self._data_centres.holds(told.address),
        )
        return judged(fact, visitor)

    async def _safe(self, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            if len(each.value) > LARGEST_EVENT:
                raise _too_large("larger than an event may be")
        spool = self._spool
        while spool is not None and spool.pending:  # newer events queue behind those being drained
            if self._held_back is None or not await _within(_HELD_S, self._held_back):
                await self._to_spool(spool, outgoing)
                return
        try:
            if len(outgoing) == 1:
                await self._producer.send(outgoing[0])
            else:
                await self._producer.send_all(outgoing)
        except Permanent as error:
            raise _too_large(str(error)) from None
        except Transient:
            if spool is None:
                raise _unavailable() from None
            await self._to_spool(spool, outgoing)

    async def _to_spool(self, spool: Spool, outgoing: Sequence[Outgoing]) -> None:
        try:
            await spool.put(outgoing)
        except SpoolFull as full:
            _LOG.error("spool_full", reason=str(full))
            raise _unavailable() from None
        finally:
            self._metrics.spool(spool)
        self._metrics.spooled(len(outgoing))

    async def drain(self, stopping: asyncio.Event) -> None:
        """A task of the service: whenever Kafka is back, drain the spool into it, oldest first."""
        spool = self._spool
        if spool is None:
            await stopping.wait()
            return
        loop = asyncio.get_running_loop()
        adopt_at = probe_at = loop.time()
        while not stopping.is_set():
            self._metrics.spool(spool)
            try:
                if loop.time() >= adopt_at:
                    adopt_at = loop.time() + _ADOPT_EVERY_S
                    self._metrics.disk(spool.folder)
                    adopted = await spool.adopt()
                    if adopted:
                        _LOG.warning("spool_adopted", events=adopted)
                if spool.refusing and loop.time() >= probe_at:
                    probe_at = loop.time() + _PROBE_EVERY_S
                    await spool.probe()
                if spool.pending and self._producer.ready:
                    await self._drain_some(spool)
                    continue
            except (Transient, OSError) as error:
                _LOG.warning("spool_not_drained", reason=log.reason(error))
            await pause(stopping, _IDLE_S if spool.pending or spool.refusing else _REST_S)

    async def _drain_some(self, spool: Spool) -> None:
        """Drain the oldest; or all when they are few, holding newer ones back: under steady load it would never end."""
        if spool.pending <= _FEW:
            self._held_back = asyncio.Event()
        try:
            while spool.pending:
                oldest = await spool.oldest()
                if oldest is None:
                    await asyncio.sleep(0)  # what is pending is still being written
                    continue
                await self._producer.send_all(oldest.outgoing)
                await spool.forget(oldest)
                if self._held_back is None:
                    return
            _LOG.info("spool_drained")
        finally:
            if self._held_back is not None:
                self._held_back.set()
                self._held_back = None


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _given(traceparent: bytes | None) -> str | None:
    """The sender's own trace, when it is well-formed (W3C Trace Context)."""
    return traceparent.decode() if traceparent is not None and _TRACEPARENT.fullmatch(traceparent) else None


def _trace_of(identifier: UUID) -> str:
    """A new trace, with the event's id (of several, the first's) as trace id."""
    digits = identifier.hex
    return f"00-{digits}-{digits[16:]}-01"


def _too_large(reason: str) -> Problem:
    return Problem(413, "The event is too large", errors=[FieldError("/", reason)])


def _unavailable() -> Problem:
    return Problem(
        503,
        "The event could not be stored",
        "Send it again with the same message_id: it will still be one event.",
        headers={"Retry-After": "2"},
    )
