"""Many observations at once are what they are one by one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from shared.lead_hops import SECONDS, LeadHops

NOW = datetime(2026, 3, 1, tzinfo=UTC)
# Whole milliseconds, bounds of buckets among them, a wrong clock, and an hour and more.
MILLISECONDS = (
    st.integers(-5, 20) | st.sampled_from([round(1000 * each) for each in SECONDS]) | st.integers(0, 10_000_000)
)


@given(st.lists(st.lists(MILLISECONDS)))
def test_all_at_once_is_one_by_one(batches: list[list[int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    hops = LeadHops(ours, "received")
    one_by_one = Histogram("theirs", "Of the library.", buckets=SECONDS, registry=theirs)
    for batch in batches:
        hops.passed("received", [NOW - timedelta(milliseconds=each) for each in batch], NOW)
        for each in batch:
            one_by_one.observe(max(0.0, each / 1000))
    for bound in [*(f"{float(each)}" for each in SECONDS), "+Inf"]:
        found = ours.get_sample_value("firsthour_lead_hop_seconds_bucket", {"hop": "received", "le": bound})
        assert found == theirs.get_sample_value("theirs_bucket", {"le": bound})
    total = ours.get_sample_value("firsthour_lead_hop_seconds_sum", {"hop": "received"})
    expected = theirs.get_sample_value("theirs_sum")
    assert total is not None
    assert expected is not None
    assert abs(total - expected) < 1e-6 * max(1.0, expected)
