"""The metrics of scoring, beside those of the loop."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.lead_hops import CanaryHops, LeadHops


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bought = 0
        self.facts = Counter("firsthour_scoring_facts", "Facts published as events.", registry=registry)
        self._converted = Counter("firsthour_leads_converted", "Open leads that bought.", registry=registry)
        self.fallen = Counter(
            "firsthour_scoring_words_fallen_out",
            "Traits and consents that a contact had no room for: the newest and the trusted ones stay.",
            registry=registry,
        )
        self._unconverted = Counter(
            "firsthour_amounts_unconverted",
            "Amounts that count 0 because their currency has no rate, by currency (ISO 4217, else `other`).",
            ["currency"],
            registry=registry,
        )

        self.merges = Counter(
            "firsthour_scoring_merges",
            "Contacts that were joined into another because one event named both.",
            registry=registry,
        )
        self.hops = LeadHops(registry, "scored")
        self.canary = CanaryHops(registry, "scored")
        self.not_known = Counter(
            "firsthour_places_not_known",
            "Countries and time zones that were said in words that nobody knows: the next best thing counts.",
            ["kind"],
            registry=registry,
        )

    def outcomes(self) -> float:
        """The number of leads that have bought since this process began."""
        return self._bought

    def bought(self, leads: int) -> None:
        """Count leads that have bought."""
        self._bought += leads
        self._converted.inc(leads)

    def unconverted(self, amounts: Mapping[str, int]) -> None:
        """Count amounts without a rate, by currency."""
        for currency, count in amounts.items():
            self._unconverted.labels(currency=currency).inc(count)


class Figures:
    """Gauges that the rollup fills from Postgres."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Gauges of one process; those of several show the same."""
        self.unpublished = Gauge(
            "firsthour_scoring_updates_unpublished",
            "Updates that are committed and not yet known to be on Kafka.",
            registry=registry,
        )
        self.waiting = Gauge(
            "firsthour_scoring_amounts_without_rate",
            "Amounts that count 0 until their currency has a rate, by currency (ISO 4217).",
            ["currency"],
            registry=registry,
        )
        self.open_leads = Gauge(
            "firsthour_scoring_leads_open",
            "Leads of the last 24 hours that have not bought: `all`, and those that nobody has touched.",
            ["state"],
            registry=registry,
        )
