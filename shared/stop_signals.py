"""When a signal means "stop", and when it means "at once".

A stop is often asked for more than once: `make` and the terminal each pass a signal on, a service manager says SIGTERM
again. So the first one stops, and only a person who insists by Ctrl-C hurries it.
"""

import signal
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INSISTING: Final = 3

Answer: TypeAlias = Literal["stop", "wait", "hurry"]


@dataclass(slots=True)
class StopSignals:
    """What came until now. `asked`: whether anything did; `hurried`: whether a person insisted."""

    asked: bool = False
    hurried: bool = False
    _by_hand: int = 0

    def came(self, number: signal.Signals) -> Answer:
        """What to do about this one: the first stops, the third Ctrl-C hurries, all others change nothing."""
        first, self.asked = not self.asked, True
        self._by_hand += number == signal.SIGINT
        if first:
            return "stop"
        if self._by_hand >= _INSISTING and not self.hurried:
            self.hurried = True
            return "hurry"
        return "wait"
