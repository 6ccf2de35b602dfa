"""One restart policy: for the parts of `firsthour run`, and for ingest's workers."""

from dataclasses import dataclass
from typing import Final

from shared.backoff import exponential

WELL_AFTER_S: Final = 60.0
LONGEST_PAUSE_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5


@dataclass(slots=True)
class Restarts:
    """The pause before a restart, doubled after each death until it has run for a while.

    There is no last restart: what keeps it from running may be fixed at any time.
    """

    first_pause_s: float = FIRST_PAUSE_S
    well_after_s: float = WELL_AFTER_S
    in_a_row: int = 0  # deaths since it last ran long enough

    def died(self, *, ran_s: float, jitter: float) -> float:
        """Seconds until the restart. `jitter` in [0, 1) is the caller's dice."""
        if ran_s >= self.well_after_s:
            self.in_a_row = 0
        self.in_a_row += 1
        return exponential(self.in_a_row - 1, jitter=jitter, first=self.first_pause_s, longest=LONGEST_PAUSE_S)
