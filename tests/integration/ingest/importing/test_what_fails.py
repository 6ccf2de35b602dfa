"""What ends an import says so, and leaves nothing half done."""

import csv
import io
from pathlib import Path
from uuid import uuid4

import pytest

from services.ingest.importing.costs import send_costs
from services.ingest.importing.refusals import Refusals, Unwritable
from services.ingest.importing.work import Refusal
from services.ingest.settings import IngestSettings
from shared.clock import utc_now
from shared.errors import Transient
from shared.events.types import CostRecorded
from shared.settings import load
from tests.support.small_disk import LIMIT, small_disk


def test_a_refused_row_that_a_full_disk_took_half_of_is_written_when_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "leads.csv.refused.csv"
    first, second = Refusal(2, "is wrong", ["a"]), Refusal(3, "is wrong", ["b" * 2 * LIMIT])
    with small_disk(folder) as disk:
        refusals = Refusals(path, delimiter=",", names=["email"], size=0)
        refusals.add([first])
        kept = refusals.size
        disk.fill()
        with pytest.raises(Unwritable, match=r"No space|too large"):
            refusals.add([second])
        refusals.close()
        assert refusals.size == kept
        disk.free()
        again = Refusals(path, delimiter=",", names=["email"], size=kept)
        again.add([second])
        again.close()
        _, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    assert rows == [[str(each.line), each.reason, *each.row] for each in (first, second)]


def test_costs_that_kafka_does_not_take_are_said_to_be_told_to_nobody(tmp_path: Path) -> None:
    settings = load(IngestSettings, kafka="127.0.0.1:1", state=tmp_path)
    cost = CostRecorded(amount="1.00", currency="EUR")
    with pytest.raises(Transient, match=r"127\.0\.0\.1:1 did not answer"):
        send_costs([cost], settings, utc_now(), uuid4, connect_s=0.1)
