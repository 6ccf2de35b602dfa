"""Builds nurture from its settings and configuration, and closes it in reverse."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.api.mail_links import mail_links
from services.nurture.api.routes import Parts, routes
from services.nurture.canary import Canary, home_of
from services.nurture.certificate import Certificate
from services.nurture.channels.channel import Registry
from services.nurture.channels.registry import CHANNELS
from services.nurture.deliveries.deliverer import Deliverer
from services.nurture.domain.mail.links import link_key
from services.nurture.facts import FactMaker
from services.nurture.figures import look
from services.nurture.language.compile import load_workflows
from services.nurture.language.versions import Versions, with_live
from services.nurture.metrics import make_metrics
from services.nurture.outlets import load_outlets
from services.nurture.retention import drops
from services.nurture.runs.ends import Ends
from services.nurture.runs.handler import UpdatesHandler
from services.nurture.runs.news import News
from services.nurture.runs.reassign import reassign
from services.nurture.runs.timers import Timers
from services.nurture.settings import NurtureSettings
from services.nurture.store.deliveries import overdue as store_overdue
from shared import log
from shared.db.engine import service_engines
from shared.db.retention import keep_to
from shared.db.rollup import Rollup
from shared.db.turns import until_done
from shared.http.api_page import install_api_page
from shared.http.auth import Tokens
from shared.http.database import install_problems_of_a_database
from shared.http.operations import operations
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.outbox import FactPublisher
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from shared.runtime import service as runtime
from shared.runtime.service import Service
from shared.runtime.stages import Task
from shared.tokens import TokenFile

_LOG = log.get(__name__)
_PUBLISHER: Final = 0x46_48_4E_46  # "FHNF": all processes must agree on it


@asynccontextmanager
async def build(settings: NurtureSettings, channels: Registry = CHANNELS) -> AsyncIterator[Service]:
    """The service, ready to be served. Raises ConfigurationError with all that is wrong with the configuration."""
    registry = CollectorRegistry()
    metrics = make_metrics(registry)
    workflows = load_workflows(settings.config, undecided=lambda _condition: metrics.undecided.inc(), channels=channels)
    for warning in workflows.warnings:
        _LOG.warning("configuration", problem=str(warning))
    versions = with_live(workflows, lambda _condition: metrics.undecided.inc(), channels)
    secret = settings.partition_key_secret()
    key = link_key(secret)
    outlets = load_outlets(
        settings.config, environment=os.environ, state=settings.state, channels=channels, link_key=key
    )
    endpoints = outlets.endpoints
    facts = FactMaker(secret)
    topics = Topics(settings.topic_prefix)
    instance = f"nurture-{settings.instance}-{settings.nurture_port}"
    async with AsyncExitStack() as closing:
        sends = outlets.open(closing)
        stream, engine = await closing.enter_async_context(
            service_engines(settings.database_url(), service="nurture", stream=settings.nurture_pool)
        )
        producer = Producer(settings.kafka, client_id="firsthour-nurture", access=settings.kafka_access())
        publisher = FactPublisher(engine, producer, topics, metrics.facts, lock=_PUBLISHER)
        deliverer = Deliverer(
            stream,
            sends,
            instance=instance,
            endpoints=endpoints,
            facts=facts,
            metrics=metrics,
            on_facts=publisher.wake,
        )

        ends = Ends(settings.kafka, client_id=f"{instance}-ends", access=settings.kafka_access())
        closing.push_async_callback(ends.aclose)
        news = News(engine, ends, topics.updates, metrics)

        def sendable(names: Iterable[str]) -> None:
            deliverer.wake(names)
            publisher.wake()

        def changed(names: Iterable[str]) -> None:
            sendable(names)
            timers.stir()

        certificate = Certificate(settings.canary_url, registry)
        canary = None
        if settings.canary_every_s is not None and settings.nurture_port:
            canary = Canary(
                every_s=settings.canary_every_s,
                ingest=settings.canary_url.rstrip("/"),
                home=home_of(settings.host, settings.nurture_port),
                key_secret=settings.partition_key_secret(),
                hops=metrics.canary,
                registry=registry,
                closing=closing,
            )
        timers = Timers(stream, versions, endpoints, facts, metrics, news, on_sendable=changed)
        handler = UpdatesHandler(
            versions,
            endpoints,
            facts,
            metrics,
            on_sendable=sendable,
            on_due=timers.expect,
            on_canary=(lambda _update: None) if canary is None else canary.took,
            bulk=topics.updates_bulk,
        )
        loop = ConsumerLoop(
            engine=stream,
            bootstrap=settings.kafka,
            service="nurture",
            access=settings.kafka_access(),
            group=f"{settings.topic_prefix}nurture",
            instance=instance,
            live=[topics.updates],
            bulk=[topics.updates_bulk],
            handler=handler,
            at_once=handler.at_once,
            producer=producer,
            dead_letters=topics.dead_letters,
            registry=registry,
            max_records=settings.nurture_batch,
            max_bulk_records=settings.nurture_bulk_batch,
        )
        versioned = asyncio.Event()
        stages: list[dict[str, Task]] = [
            {
                "updates": _after(versioned, loop.run),
                "timers": _after(versioned, timers.run),
                "news": news.run,
                "deliverer": deliverer.run,
                "versions": lambda stopping: _keep_versions(
                    engine, versions, endpoints.reps.keys(), versioned, stopping
                ),
                "retention": lambda stopping: keep_to(engine, drops(settings), stopping),
                "rollup": Rollup(engine, registry, look(registry, endpoints=sends, workflows=_names(versions))).run,
                "loop-lag": runtime.loop_lag(registry),
                **({} if canary is None else {**canary.tasks(), "certificate": certificate.run}),
            },
            {"facts": publisher.run},
            {"kafka": producer.run},
        ]

        def missing() -> list[str]:
            lacking = [*loop.missing(), *timers.missing()]
            return lacking if versioned.is_set() else ["nurture: Postgres is not reachable", *lacking]

        app = FastAPI(title="Firsthour nurture", version="1", docs_url=None, redoc_url=None)
        install_problems_of_a_database(app)
        install_api_page(app)
        operations(app, missing=missing, attention=loop.attention, registry=registry)
        if canary is not None:
            app.include_router(canary.home())
        tokens = Tokens(settings.token(), TokenFile(settings.tokens_file()))
        parts = Parts(
            engine, tokens, endpoints, facts, versions, wake=changed, on_facts=partial(publisher.wake, urgent=True)
        )
        app.include_router(routes(parts))
        app.include_router(mail_links(parts, key))
        yield Service(tokens.first(app), stages)


def main(settings: NurtureSettings) -> int:
    """Run until a signal; the exit code."""
    return runtime.run("nurture", settings, settings.nurture_port, lambda: build(settings))


def _names(versions: Versions) -> set[str]:
    return {workflow.name for some in versions.live.by_trigger.values() for workflow in some}


async def _keep_versions(
    engine: AsyncEngine,
    versions: Versions,
    reps: Collection[str],
    versioned: asyncio.Event,
    stopping: asyncio.Event,
) -> None:
    """Store the live versions and load those still in use, before anything is enrolled or advanced.

    Parked rows are retried, and tasks of reps who are gone go to others.
    """

    async def keep() -> None:
        async with engine.begin() as conn:
            await versions.keep_live(conn)
            await versions.learn_active(conn)
            await store_overdue.try_again(conn)
            await reassign(conn, versions, reps)

    if await until_done(keep, stopping):
        versioned.set()
    await stopping.wait()


def _after(event: asyncio.Event, start: Task) -> Task:
    async def run(stopping: asyncio.Event) -> None:
        stopped = asyncio.create_task(stopping.wait())
        ready = asyncio.create_task(event.wait())
        await asyncio.wait([stopped, ready], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, ready):
            task.cancel()
        if event.is_set():
            await start(stopping)

    return run
