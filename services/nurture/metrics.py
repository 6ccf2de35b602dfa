"""The figures of nurture. Labels are names from the configuration, never anything about a person."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.lead_hops import BatchHistogram, CanaryHops, LeadHops

_SECONDS_TO_FIRST = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
WINDOW_STATES = ("open", "at_risk", "met", "missed")
_SECONDS_OF_ATTEMPT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)


@dataclass(frozen=True, slots=True)
class Metrics:
    """One of each for the process."""

    updates: Counter
    enrolments: Counter
    refusals: Counter
    deliveries: Counter
    attempt_seconds: Histogram
    refused_us: Counter
    first_followup_seconds: BatchHistogram
    timer_lag: Gauge
    windows: Counter
    facts: Counter
    undecided: Counter
    disabled: Gauge
    parked: Gauge
    timer_failures: Counter
    news_age: Gauge
    failing: Gauge
    hops: LeadHops
    canary: CanaryHops


def make_metrics(registry: CollectorRegistry) -> Metrics:
    """The figures, in this registry."""
    return Metrics(
        hops=LeadHops(registry, "enrolled", "attempted", "delivered"),
        canary=CanaryHops(registry, "enrolled", "attempted", "delivered"),
        updates=Counter("firsthour_nurture_updates", "Updates worked off.", registry=registry),
        enrolments=Counter("firsthour_nurture_enrolments", "Enrolments begun.", ["workflow"], registry=registry),
        refusals=Counter(
            "firsthour_nurture_refusals",
            "Triggers that enrolled nobody, by reason.",
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
        refused_us=Counter(
            "firsthour_nurture_mail_refusals",
            "Attempts that a mail server refused because of us: our login, sender, name or reputation.",
            ["endpoint"],
            registry=registry,
        ),
        first_followup_seconds=BatchHistogram(
            "firsthour_nurture_first_followup_seconds",
            "From the event that started an enrolment to the first follow-up delivered.",
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


class Figures:
    """What Postgres knows of nurture's work, for the rollup. Those of several processes show the same."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.windows = Gauge(
            "firsthour_nurture_windows",
            "First-hour clocks of the enrolments of the last 24 hours (the newest 20,000): `open`, `at_risk` (open, "
            "and less than a quarter of it is left), `met`, `missed`.",
            ["workflow", "state"],
            registry=registry,
        )
        self.due = Gauge(
            "firsthour_nurture_deliveries_due",
            "Deliveries whose time has come and which nobody has claimed; 10,000 means that or more.",
            ["endpoint"],
            registry=registry,
        )
        self.oldest_due = Gauge(
            "firsthour_nurture_delivery_oldest_due_seconds",
            "How long the oldest of them has been due.",
            ["endpoint"],
            registry=registry,
        )
        self.timers = Gauge(
            "firsthour_nurture_timer_oldest_due_seconds",
            "How long the oldest wait, deadline or clock has been over that nobody has worked off.",
            ["kind"],
            registry=registry,
        )
        self.claimed = Gauge(
            "firsthour_nurture_deliveries_claimed",
            "Deliveries under way: claimed and not yet recorded.",
            registry=registry,
        )
        self.facts = Gauge(
            "firsthour_nurture_facts_waiting",
            "Facts on their way to Kafka: `waiting` (10,000: that or more), `parked`: Kafka can never take them.",
            ["state"],
            registry=registry,
        )
        self.tasks = Gauge(
            "firsthour_nurture_tasks",
            "Open tasks: `open`, and `overdue` ones among them, whose deadline is over.",
            ["state"],
            registry=registry,
        )
