"""Builds ingest from its settings and configuration, and closes it in reverse."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.ingest.api import HotPaths
from services.ingest.intake import Intake
from services.ingest.openapi import describe
from services.ingest.settings import IngestSettings
from services.ingest.sources import load_sources
from services.ingest.spool import Spool
from shared import runtime, secrets
from shared.http.operations import operations
from shared.http.problems import install_problems
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from shared.runtime import Service

_BATCH_BYTES = 16_384  # one event at a time from many requests: a large batch would cost more to make than to send


@asynccontextmanager
async def build(settings: IngestSettings) -> AsyncIterator[Service]:
    """The service, ready to be served. Raises ConfigurationError with all that is wrong with sources.yaml."""
    registry = CollectorRegistry()
    sources = load_sources(settings.config, environment=os.environ, state=settings.state)
    given = settings.key_secret
    key_secret = given.get_secret_value() if given is not None else secrets.ensure_key_secret(settings.state)
    producer = Producer(
        settings.kafka,
        client_id="firsthour-ingest",
        deadline_s=settings.ingest_kafka_deadline,
        max_in_flight=settings.ingest_max_in_flight * 8,
        batch_bytes=_BATCH_BYTES,
    )
    spool = None
    if settings.ingest_spool_bytes:
        spool = Spool(settings.state / "spool", max_bytes=settings.ingest_spool_bytes)
    try:
        intake = Intake(
            producer=producer,
            spool=spool,
            topics=Topics(settings.topic_prefix),
            key_secret=key_secret.encode(),
            registry=registry,
        )
        app = FastAPI(title="Firsthour ingest", version="1", docs_url="/docs", redoc_url=None)
        install_problems(app)
        operations(app, missing=intake.missing, registry=registry)
        describe(app)
        hot = HotPaths(app, sources=sources, intake=intake, settings=settings, registry=registry)
        yield Service(hot, {"kafka": producer.run, "drain": intake.drain, "loop-lag": runtime.loop_lag(registry)})
    finally:
        if spool is not None:
            await spool.close()


def main(settings: IngestSettings) -> int:
    """Run until a signal; the exit code."""
    return runtime.run("ingest", settings, settings.ingest_port, lambda: build(settings))
