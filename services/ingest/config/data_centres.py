"""Addresses of data centres: a click from one seconds after a mail is a scanner's, not a person's."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from shared.errors import ConfigProblem, ConfigurationError

FILE: Final = "data-centres.txt"
Network = IPv4Network | IPv6Network


class DataCentres:
    """The networks of `data-centres.txt`: one a line, `#` begins a comment."""

    def __init__(self, networks: Sequence[Network]) -> None:
        """Networks are searched one by one; answers are cached."""
        self._networks = tuple(networks)
        self.holds = lru_cache(maxsize=10_000)(self._look_up)

    def _look_up(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def load_data_centres(config: Path) -> DataCentres:
    """The networks in the configuration folder's file; none without one. Raises ConfigurationError."""
    path = config / FILE
    if not path.exists():
        return DataCentres(())
    networks: list[Network] = []
    problems: list[ConfigProblem] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            problems.append(ConfigProblem(path, number, "", f"is no network: {error}"))
    if problems:
        raise ConfigurationError(problems)
    return DataCentres(networks)
