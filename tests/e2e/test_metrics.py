"""Every figure that the real services show is in docs/metrics.md, and a lead is seen at each hop."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.test_one_lead import about, an_address, post_lead
from tests.support.metrics_table import LABELS, figures
from tests.support.processes import SERVICES, Firsthour
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

HOPS = {
    "ingest": ("received", "acknowledged"),
    "scoring": ("scored",),
    "nurture": ("enrolled", "attempted", "delivered"),
}


def hops(http: httpx.Client, firsthour: Firsthour) -> dict[str, float]:
    """How many live leads have passed each."""
    found: dict[str, float] = {}
    for name in SERVICES:
        for family in text_string_to_metric_families(http.get(f"{firsthour.url(name)}/metrics").text):
            if family.name == "firsthour_lead_hop_seconds":
                found |= {s.labels["hop"]: s.value for s in family.samples if s.name.endswith("_count")}
    return found


async def test_a_lead_is_seen_at_each_hop(firsthour: Firsthour, receiver: Receiver) -> None:
    with httpx.Client(timeout=10) as http:
        before = hops(http, firsthour)
        assert list(before) == [hop for name in SERVICES for hop in HOPS[name]]
        address = an_address()
        post_lead(http, firsthour, {"email": address, "interest": "pricing"})
        await until(lambda: bool(about(receiver, address)))
        await until(lambda: all(count > before[hop] for hop, count in hops(http, firsthour).items()))


async def test_every_figure_is_in_the_table_and_no_label_is_unknown(firsthour: Firsthour) -> None:
    known = {figure.name for figure in figures()}
    with httpx.Client(timeout=10) as http:
        for name in SERVICES:
            for family in text_string_to_metric_families(http.get(f"{firsthour.url(name)}/metrics").text):
                if family.name.startswith("firsthour_"):
                    assert family.name in known or f"{family.name}_total" in known
                    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
                    assert labels <= LABELS.keys()
