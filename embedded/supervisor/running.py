"""What runs, for `firsthour demo` and for the message after the start."""

from dataclasses import dataclass

from embedded.brokers.process import Child
from embedded.brokers.stack import Stack
from embedded.supervisor.run_options import RunOptions


@dataclass(frozen=True, slots=True)
class Running:
    """Everything is up. `children` and `ports` by name: ingest, scoring, nurture, sinks; also `smtp` and `run`."""

    stack: Stack
    options: RunOptions
    children: dict[str, Child]
    ports: dict[str, int]
    seconds: float

    def url(self, name: str) -> str:
        """The address of a service, or of the sinks' page."""
        return f"http://{self.options.reachable_host(name)}:{self.ports[name]}"
