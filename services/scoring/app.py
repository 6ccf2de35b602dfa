"""Builds scoring from its settings and configuration, and closes it in reverse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.scoring.api import (
    changes,
    claims,
    contacts,
    costs,
    explanation,
    funnel,
    queue,
    recommendations,
    responses,
    segments,
)
from services.scoring.api import models as learnt
from services.scoring.claiming import Claiming, keep_claims
from services.scoring.config import load_scoring
from services.scoring.consume.handler import Scoring
from services.scoring.facts import PUBLISHER, FactMaker
from services.scoring.figures import look
from services.scoring.jobs.advocacy import Crediting
from services.scoring.jobs.costs import Costing
from services.scoring.jobs.refit import Refitting
from services.scoring.jobs.revalue import Revaluing
from services.scoring.jobs.sweep import Sweeping
from services.scoring.load import Load
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from services.scoring.retention import drops
from services.scoring.settings import ScoringSettings
from services.scoring.tables import SCHEMA
from services.scoring.watching import Watching
from shared.clock import new_id, utc_now
from shared.db.engine import service_engines
from shared.db.retention import keep_to
from shared.db.rollup import Rollup
from shared.http.api_page import install_api_page
from shared.http.auth import Tokens
from shared.http.database import install_problems_of_a_database
from shared.http.operations import operations
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.loop.parts import SIDE_BY_SIDE
from shared.kafka.outbox import FactPublisher
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from shared.runtime import service as runtime
from shared.runtime.service import Service
from shared.tokens import TokenFile

_STREAM: Final = SIDE_BY_SIDE + 2  # connections: the parts of a batch, and what stands beside it


@asynccontextmanager
async def build(settings: ScoringSettings) -> AsyncIterator[Service]:
    """The service, ready to be served. Raises ConfigurationError with all that is wrong with scoring.yaml."""
    registry = CollectorRegistry()
    models = InForce(load_scoring(settings.config))
    topics = Topics(settings.topic_prefix)
    metrics = Metrics(registry)
    async with service_engines(settings.database_url(), service=SCHEMA, stream=_STREAM) as (stream, engine):
        producer = Producer(settings.kafka, client_id="firsthour-scoring", access=settings.kafka_access())
        handler = Scoring(models, topics, metrics, utc_now, new_id)
        loop = ConsumerLoop(
            engine=stream,
            bootstrap=settings.kafka,
            service="scoring",
            access=settings.kafka_access(),
            group=f"{settings.topic_prefix}scoring",
            instance=f"scoring-{settings.instance}-{settings.scoring_port}",
            live=[topics.events],
            bulk=[topics.events_bulk],
            handler=handler,
            at_once=handler.at_once,
            producer=producer,
            dead_letters=topics.dead_letters,
            registry=registry,
            max_records=settings.scoring_batch,
            max_bulk_records=settings.scoring_bulk_batch,
        )
        app = FastAPI(title="Firsthour scoring", version="1", docs_url=None, redoc_url=None)
        install_problems_of_a_database(app)
        install_api_page(app)
        operations(app, missing=loop.missing, attention=loop.attention, registry=registry)
        tokens = Tokens(settings.token(), TokenFile(settings.tokens_file()))
        revaluing = Revaluing(engine, models, utc_now, new_id, registry)
        refitting = Refitting(engine, settings, utc_now, metrics.outcomes, registry)
        facts = FactMaker(settings.partition_key_secret(), new_id)
        publisher = FactPublisher(engine, producer, topics, metrics.facts, lock=PUBLISHER)
        claiming = Claiming(engine, facts, new_id)
        load, watching = Load(), Watching(engine)
        for router in (
            contacts.routes(engine, models, tokens),
            explanation.routes(engine, models, tokens),
            recommendations.routes(engine, tokens),
            queue.routes(engine, models, load, tokens),
            claims.routes(engine, models, load, claiming, tokens, Random()),  # noqa: S311 - no secret
            learnt.routes(engine, models, tokens),
            changes.routes(watching, tokens),
            responses.routes(engine, models, tokens),
            funnel.routes(engine, models, tokens),
            segments.routes(engine, models, tokens),
            costs.routes(engine, models, tokens),
        ):
            app.include_router(router)
        sweeping = Sweeping(engine, models, facts, utc_now, registry)
        costing = Costing(engine, models, utc_now, registry)
        crediting = Crediting(engine, models, utc_now, registry)
        yield Service(
            tokens.first(app),
            [
                {
                    "loop": loop.run,
                    "watching": watching.run,
                    "revaluing": revaluing.run,
                    "refitting": refitting.run,
                    "sweeping": sweeping.run,
                    "costing": costing.run,
                    "crediting": crediting.run,
                    "claims": lambda stopping: keep_claims(claiming, utc_now, stopping),
                    "retention": lambda stopping: keep_to(engine, drops(settings), stopping),
                    "rollup": Rollup(engine, registry, look(registry, load)).run,
                    "loop-lag": runtime.loop_lag(registry),
                },
                {"facts": publisher.run},
                {"kafka": producer.run},
            ],
        )


def main(settings: ScoringSettings) -> int:
    """Run until a signal; the exit code."""
    return runtime.run("scoring", settings, settings.scoring_port, lambda: build(settings))
