"""Loads everything that sending needs, from every channel: settings, templates, secrets.

`firsthour check` and the start both use this, so that both report the same problems.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from services.nurture.channels.channel import FILE, Open, Queues, Registry, Surroundings
from services.nurture.channels.registry import CHANNELS
from services.nurture.config import Endpoints, load_endpoints
from shared.config import Document, read
from shared.errors import ConfigProblem, ConfigurationError


@dataclass(frozen=True, slots=True)
class Outlets:
    """The endpoints, with the values behind their references known."""

    endpoints: Endpoints
    _ready: tuple[Open, ...]

    def open(self, closing: AsyncExitStack) -> Queues:
        """Every endpoint queue with how many at once, and how; `closing` ends their connections."""
        return {name: queue for each in self._ready for name, queue in each(closing).items()}


def load_outlets(
    config: Path,
    *,
    environment: Mapping[str, str],
    state: Path,
    channels: Registry = CHANNELS,
    link_key: bytes = b"",
) -> Outlets:
    """Everything that sending reads. Raises ConfigurationError with every problem, file and line.

    `link_key` is needed to send, not to check.
    """
    problems: list[ConfigProblem] = []
    try:
        endpoints = load_endpoints(config, channels)
        document = read(config / FILE)
    except ConfigurationError as error:  # templates and secrets are still checked
        problems += error.problems
        endpoints, document = Endpoints(channels=channels), Document(config / FILE, "")
    surroundings = Surroundings(config, state, environment, document, endpoints.reps, link_key)
    ready = tuple(each.prepare(endpoints.of(each), surroundings, problems) for each in channels.values())
    if problems:
        raise ConfigurationError(problems)
    return Outlets(endpoints, ready)
