"""The supervisor's own `/metrics`: the state of each part, available whatever has died."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from embedded.supervisor.supervision import Part


class _Parts(Collector):
    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("firsthour_part_up", "Whether the part's process runs.", labels=["part"])
        deaths = CounterMetricFamily("firsthour_part_deaths", "How often it ended or did not start.", labels=["part"])
        in_a_row = GaugeMetricFamily(
            "firsthour_part_deaths_in_a_row", "Deaths since it last ran for a minute; above 3: look.", labels=["part"]
        )
        pause = GaugeMetricFamily("firsthour_part_pause_seconds", "The pause until its next start.", labels=["part"])
        for part in self._parts:
            up.add_metric([part.name], float(part.up))
            deaths.add_metric([part.name], part.deaths)
            in_a_row.add_metric([part.name], part.in_a_row)
            pause.add_metric([part.name], part.pause_s)
        return up, deaths, in_a_row, pause


@contextmanager
def served(parts: Sequence[Part], host: str, port: int) -> Iterator[None]:
    """Serve the metrics on this port while the block runs."""
    registry = CollectorRegistry()
    registry.register(_Parts(parts))
    server, thread = start_http_server(port, addr=host, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
