"""Normal traffic by every source, with an import beside it, wakes nobody: the other half of test_alerts.py.

An hour's traffic within a minute, and rules that are shortened as there. `benchmarks/quiet_hour.py` takes the whole hour
and the rules as they are.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.normal_hour import as_receivers_are, normal_hour
from tests.support.receiver import receiving_apart
from tests.support.watched import ALERTS, RULES, quicker, watched
from tests.support.webhook_receiver import OK, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_apart() as receiver:
        yield receiver


@pytest.mark.timeout(240)
async def test_an_hour_of_normal_traffic_with_an_import_wakes_nobody(
    kafka: str, database: str, topic_prefix: str, receiver: Receiver, tmp_path: Path
) -> None:
    rules, canary = quicker(RULES.read_text()), {"FIRSTHOUR_CANARY": "1s"}
    async with watched(kafka, database, topic_prefix, tmp_path, receiver, rules=rules, settings=canary) as here:
        others = as_receivers_are()
        receiver.behave = lambda request: OK if request.path == ALERTS else others(request)
        sent = await normal_hour(here.firsthour, seconds=60, rows=3000)
        assert all(sent[kind] for kind in ("lead", "form", "purchase", "visit", "call", "task")), sent
        assert here.alerted() == {"CertificateEnding"}, "which tells that somebody would have been woken"
