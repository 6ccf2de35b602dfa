"""What one service says of itself: its figures, and what it lacks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a service. `problem`: why it could not be asked; `missing` and `attention` as `/readyz` says."""

    problem: str | None = None
    missing: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()
    samples: Mapping[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)

    def each(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """All samples of this name with these labels."""
        for its, value in self.samples.get(name, ()):
            if labels.items() <= its.items():
                yield its, value

    def one(self, name: str, **labels: str) -> float | None:
        """The largest of them; None when there is none."""
        return max((value for _, value in self.each(name, **labels)), default=None)

    def total(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self.each(name, **labels))

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """The bound of the histogram's bucket in which this share lies; None when nothing was counted."""
        buckets = sorted((float(its["le"]), value) for its, value in self.each(f"{name}_bucket", **labels))
        if not buckets or not buckets[-1][1]:
            return None
        return next(bound for bound, count in buckets if count >= share * buckets[-1][1])


async def look(http: httpx.AsyncClient, url: str) -> Seen:
    """Ask the service at this address. Raises nothing: no answer is an answer too."""
    try:
        ready = await http.get(f"{url}/readyz", timeout=_PATIENCE_S)
        said = ready.json()
        figures = await http.get(f"{url}/metrics", timeout=_PATIENCE_S)
        figures.raise_for_status()
    except httpx.HTTPStatusError as error:
        return Seen(f"its /metrics answers {error.response.status_code}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Seen(f"no answer ({type(error).__name__})")
    except json.JSONDecodeError:
        return Seen(f"its /readyz answers {ready.status_code} and no JSON")
    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(figures.text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Seen(None, tuple(said.get("missing") or ()), tuple(said.get("attention") or ()), samples)
