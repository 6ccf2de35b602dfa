"""Builds ingest from its settings and configuration, and closes it in reverse."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.ingest import workers
from services.ingest.accept.intake import Intake
from services.ingest.accept.recent import Recent
from services.ingest.accept.spool import Spool
from services.ingest.config.data_centres import load_data_centres
from services.ingest.config.sources import load_sources
from services.ingest.graph import Graph
from services.ingest.http.access import Door
from services.ingest.http.byte_budget import Room
from services.ingest.http.client_address import Proxies
from services.ingest.http.dispatch import HotPaths
from services.ingest.http.limits import Limits
from services.ingest.http.openapi import describe
from services.ingest.http.refusals import Refusals
from services.ingest.proofs import Proofs
from services.ingest.routes import challenge, hosted_form, sdk_settings, snippet
from services.ingest.routes import sources as sources_route
from services.ingest.routes.cloud_events import CloudEvents
from services.ingest.routes.forms import Forms
from services.ingest.routes.hooks import Hooks
from services.ingest.routes.plain import Plain
from services.ingest.routes.segment import PATHS as segment_paths  # noqa: N811 - a table of this module's alone
from services.ingest.routes.segment import Segment
from services.ingest.settings import IngestSettings
from shared import canary, log
from shared.clock import utc_now
from shared.http.api_page import install_api_page
from shared.http.auth import Tokens
from shared.http.operations import operations
from shared.http.problems import install_problems
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from shared.runtime import service as runtime
from shared.runtime.service import Service
from shared.tokens import TokenFile

_LOG = log.get(__name__)
_BATCH_BYTES = 65_536  # mostly one event at a time: memory for larger batches would cost more than sending


@asynccontextmanager
async def build(settings: IngestSettings, proofs: Proofs | None = None) -> AsyncIterator[Service]:
    """The service, ready to be served. Raises ConfigurationError with all that is wrong with sources.yaml."""
    registry = CollectorRegistry()
    proxies = Proxies(settings.ingest_trusted_proxies)
    data_centres = load_data_centres(settings.config)
    sources = load_sources(settings.config, environment=os.environ, state=settings.state)
    for warning in sources.warnings:
        _LOG.warning("configuration", problem=str(warning))
    key_secret = settings.partition_key_secret()
    sources = sources.with_canary(canary.write_key(key_secret))
    producer = Producer(
        settings.kafka,
        client_id="firsthour-ingest",
        deadline_s=settings.ingest_kafka_deadline,
        max_in_flight=settings.ingest_max_in_flight * 8,
        batch_bytes=_BATCH_BYTES,
        access=settings.kafka_access(),
    )
    spool = None
    if settings.ingest_spool_bytes:
        spool = Spool(settings.state / "spool", max_bytes=settings.ingest_spool_bytes)
    graph = None
    if any(source.kind == "meta" for source in sources.by_name.values()):
        graph = Graph(settings.ingest_graph_url, registry)
    proofs = proofs or Proofs()
    recent = Recent(sources.by_name, utc_now())
    try:
        intake = Intake(
            producer=producer,
            spool=spool,
            topics=Topics(settings.topic_prefix),
            key_secret=key_secret,
            data_centres=data_centres,
            registry=registry,
            recent=recent,
        )
        app = FastAPI(title="Firsthour ingest", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
        install_problems(app)
        install_api_page(app)
        operations(app, missing=intake.missing, attention=intake.attention, registry=registry)
        door = Door(sources, Limits(time.monotonic, registry))
        sdk_settings.install(app, door, proxies, settings.ingest_public_url)
        refusals = Refusals(registry)
        sources_route.install(
            app, sources, recent, refusals, Tokens(settings.token(), TokenFile(settings.tokens_file()))
        )
        describe(app)
        snippet.install(app)
        hosted_form.install(app, sources, key_secret)
        challenge.install(app, sources, door, proxies)
        hot = _hot_paths(
            app,
            door=door,
            intake=intake,
            settings=settings,
            proxies=proxies,
            key_secret=key_secret,
            graph=graph,
            proofs=proofs,
            refusals=refusals,
            registry=registry,
            recent=recent,
        )
        yield Service(
            hot,
            [
                {"drain": intake.drain, "refusals": refusals.run, "loop-lag": runtime.loop_lag(registry)},
                {"kafka": producer.run},
            ],
        )
    finally:
        await proofs.close()
        if graph is not None:
            await graph.close()
        if spool is not None:
            await spool.close()


def _hot_paths(
    app: FastAPI,
    *,
    door: Door,
    intake: Intake,
    settings: IngestSettings,
    proxies: Proxies,
    key_secret: bytes,
    graph: Graph | None,
    proofs: Proofs,
    refusals: Refusals,
    registry: CollectorRegistry,
    recent: Recent,
) -> HotPaths:
    one, many = settings.ingest_max_body, settings.ingest_max_batch
    plain = Plain(door, intake, largest=one)
    segment = Segment(door, intake, largest=one, largest_batch=many)
    cloud_events = CloudEvents(door, intake, largest=one, largest_batch=many)
    forms = Forms(door, intake, largest=one, stamp_secret=key_secret, registry=registry)
    hooks = Hooks(
        door,
        intake,
        largest=many,
        public_url=settings.ingest_public_url,
        fetch=None if graph is None else graph.fetch,
        proofs=proofs,
        registry=registry,
    )
    return HotPaths(
        app,
        exact={
            "/v1/leads": (plain.lead, ""),
            "/v1/purchases": (plain.purchase, ""),
            "/v1/events": (cloud_events.take, ""),
            **{path: (segment.take, name) for path, name in segment_paths.items()},
        },
        by_source={"/f": forms.take, "/hooks": hooks.take},
        door=door,
        proxies=proxies,
        room=Room(settings.ingest_max_bytes_in_flight, requests=settings.ingest_max_in_flight),
        refusals=refusals,
        registry=registry,
        recent=recent,
    )


def main(settings: IngestSettings, *, worker: bool = False) -> int:
    """Run until a signal; the exit code. A `worker` shares its port, and stops when its standard input closes."""
    if settings.ingest_workers > 1 and not worker:
        return workers.run(settings)
    return runtime.run("ingest", settings, settings.ingest_port, lambda: build(settings), worker=worker)
