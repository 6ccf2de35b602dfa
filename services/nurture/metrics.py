"""The figures of nurture. Labels are names from the configuration, never anything about a person."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS_TO_FIRST = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_SECONDS_OF_ATTEMPT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


@dataclass(frozen=True, slots=True)
class Metrics:
    """One of each for the process."""

    updates: Counter
    enrolments: Counter
    refusals: Counter
    deliveries: Counter
    attempt_seconds: Histogram
    first_followup_seconds: Histogram
    timer_lag: Gauge
    windows: Counter
    facts: Counter
    undecided: Counter
    disabled: Gauge
    parked: Gauge
    timer_failures: Counter
    news_age: Gauge
    failing: Gauge


def make_metrics(registry: CollectorRegistry) -> Metrics:
    """The figures, in this registry."""
    return Metrics(
        updates=Counter("firsthour_nurture_updates", "Updates worked off.", registry=registry),
        enrolments=Counter("firsthour_nurture_enrolments", "Runs begun.", ["workflow"], registry=registry),
        refusals=Counter(
            "firsthour_nurture_refusals",
            "Triggers that began no run, by why.",
            ["workflow", "reason"],
            registry=registry,
        ),
        deliveries=Counter(
            "firsthour_nurture_attempts",
            "Attempts to deliver, by what came of them.",
            ["endpoint", "outcome"],
            registry=registry,
        ),
        attempt_seconds=Histogram(
            "firsthour_nurture_attempt_seconds",
            "How long an attempt took.",
            ["endpoint"],
            buckets=_SECONDS_OF_ATTEMPT,
            registry=registry,
        ),
        first_followup_seconds=Histogram(
            "firsthour_nurture_first_followup_seconds",
            "From the event that started a run to the first follow-up delivered.",
            ["workflow"],
            buckets=_SECONDS_TO_FIRST,
            registry=registry,
        ),
        timer_lag=Gauge(
            "firsthour_nurture_timer_lag_seconds", "How late the latest timer was looked at.", registry=registry
        ),
        windows=Counter(
            "firsthour_nurture_windows_missed",
            "First-hour clocks that ran out with nobody having got in touch.",
            ["workflow"],
            registry=registry,
        ),
        facts=Counter("firsthour_nurture_facts", "Facts published as events.", registry=registry),
        undecided=Counter(
            "firsthour_nurture_undecided_conditions",
            "Conditions that could not be decided, and so did not hold.",
            registry=registry,
        ),
        failing=Gauge(
            "firsthour_nurture_endpoints_failing",
            "1 while the endpoint cannot be reached or refuses us: its last attempt says so.",
            ["endpoint"],
            registry=registry,
        ),
        disabled=Gauge(
            "firsthour_nurture_endpoints_disabled",
            "1 while nothing is sent to the endpoint because it answered 410.",
            ["endpoint"],
            registry=registry,
        ),
        parked=Gauge(
            "firsthour_nurture_parked",
            "Rows put aside because working them off failed; each has its reason.",
            ["kind"],
            registry=registry,
        ),
        timer_failures=Counter(
            "firsthour_nurture_timer_failures",
            "Looks at one kind of timer that failed as a whole.",
            ["kind"],
            registry=registry,
        ),
        news_age=Gauge(
            "firsthour_nurture_news_age_seconds",
            "How old the news is that timers know: above 600 they go on without it.",
            registry=registry,
        ),
    )
