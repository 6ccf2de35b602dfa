"""When a signal means "stop", and when it means "at once".

A stop often comes more than once: `make` and the terminal both forward signals, and a service manager repeats SIGTERM.
So the first one stops, and only repeated Ctrl-C hurries it.
"""

import signal
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INSISTING: Final = 3

Answer: TypeAlias = Literal["stop", "wait", "hurry"]


@dataclass(slots=True)
class StopSignals:
    """The signals received so far. `asked`: whether there was any; `hurried`: whether a person insisted."""

    asked: bool = False
    hurried: bool = False
    _by_hand: int = 0

    def came(self, number: signal.Signals) -> Answer:
        """What this signal means: the first stops, the third Ctrl-C hurries, all others are ignored."""
        first, self.asked = not self.asked, True
        self._by_hand += number == signal.SIGINT
        if first:
            return "stop"
        if self._by_hand >= _INSISTING and not self.hurried:
            self.hurried = True
            return "hurry"
        return "wait"
