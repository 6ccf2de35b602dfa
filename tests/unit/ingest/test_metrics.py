"""What is counted a few times a second is there when it is read."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest

from services.ingest.gathered import Answers
from services.ingest.metrics import IntakeMetrics
from tests.support.waiting import until

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = "firsthour_ingest_events_total"


async def test_what_was_accepted_is_read_at_once() -> None:
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry)
    metrics.accepted("site", 3, [NOW - timedelta(seconds=1)], NOW)
    metrics.accepted("shop", 2, [], NOW)
    metrics.accepted("site", 1, [NOW], NOW)
    lines = generate_latest(registry).decode().splitlines()
    assert 'firsthour_ingest_events_total{source="site"} 4.0' in lines
    assert 'firsthour_ingest_events_total{source="shop"} 2.0' in lines
    assert 'firsthour_ingest_leads_total{source="site"} 2.0' in lines
    assert 'firsthour_lead_hop_seconds_sum{hop="received"} 1.0' in lines
    assert 'firsthour_lead_hop_seconds_count{hop="acknowledged"} 2.0' in lines
    assert generate_latest(registry).decode().splitlines() == lines, "each counts once"


async def test_the_figures_move_though_nobody_reads_them() -> None:
    """Of several workers, another one may be asked: it reads what this one wrote."""
    registry = CollectorRegistry()
    metrics = IntakeMetrics(registry)
    metrics.accepted("site", 1, [], NOW)
    await until(lambda: _written(registry) == 1.0)
    metrics.accepted("site", 1, [], NOW)
    await until(lambda: _written(registry) == 2.0)


def _written(registry: CollectorRegistry) -> float | None:
    """Of this figure alone, so that the collector that moves it is not asked."""
    alone = registry.restricted_registry([EVENTS]).collect()
    return next((each.value for counter in alone for each in counter.samples if each.name == EVENTS), None)


async def test_answers_are_read_at_once_and_faults_begin_at_none() -> None:
    registry = CollectorRegistry()
    answers = Answers(registry, ["/v1/leads"])
    answers.count("/v1/leads", 202)
    answers.count("/v1/leads", 202)
    lines = generate_latest(registry).decode().splitlines()
    assert 'firsthour_ingest_answers_total{path="/v1/leads",status="202"} 2.0' in lines
    assert 'firsthour_ingest_answers_total{path="/v1/leads",status="503"} 0.0' in lines
    assert generate_latest(registry).decode().splitlines() == lines, "each counts once"
