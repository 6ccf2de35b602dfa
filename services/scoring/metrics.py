"""What scoring counts beside the loop's own numbers."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
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

    def unconverted(self, amounts: Mapping[str, int]) -> None:
        """So many amounts of each currency had no rate."""
        for currency, count in amounts.items():
            self._unconverted.labels(currency=currency).inc(count)
