"""What scoring counts beside the loop's own numbers."""

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fallen = Counter(
            "firsthour_scoring_words_fallen_out",
            "Traits and consents that a contact had no room for: the newest and the trusted ones stay.",
            registry=registry,
        )
