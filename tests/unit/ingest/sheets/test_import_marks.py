"""How far an import has come belongs to its file alone, and what cannot be read is no mark."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from services.ingest.importing.foreseeing import Foreseen, Start
from services.ingest.importing.progress import AlreadyRunning, Progress, ProgressFile
from services.ingest.importing.refusals import Refusals, refused_path
from services.ingest.importing.work import Refusal
from shared.clock import utc_now


def test_files_of_one_name_have_marks_of_their_own(tmp_path: Path) -> None:
    state = tmp_path / "state"
    one, again, other = (ProgressFile(state, tmp_path / folder / "leads.csv") for folder in ("a", "a", "b"))
    with one.held():
        with other.held():
            other.write(Progress(of="b"))
        with pytest.raises(AlreadyRunning), again.held():
            pass
        one.write(Progress(of="a", offset=7))
    assert [each.read() for each in (again, other)] == [Progress(of="a", offset=7), Progress(of="b")]
    one.forget()
    assert [each.read() for each in (again, other)] == [None, Progress(of="b")]
    assert one.beside != other.beside


def test_a_damaged_mark_is_none(tmp_path: Path) -> None:
    mark = ProgressFile(tmp_path, tmp_path / "leads.csv")
    mark.write(Progress(of="a"))
    (path,) = (tmp_path / "imports").iterdir()
    for damaged in (b"", b"{", b'{"of": 1}', b"\xff"):
        path.write_bytes(damaged)
        assert mark.read() is None


def test_refused_rows_lie_beside_the_file_or_in_a_folder_of_its_own(tmp_path: Path) -> None:
    file, mark = tmp_path / "leads.csv", ProgressFile(tmp_path / "state", tmp_path / "leads.csv")
    assert refused_path(file, mark.beside, writable=True) == tmp_path / "leads.csv.refused.csv"
    path = refused_path(file, mark.beside, writable=False)
    assert path.is_relative_to(tmp_path / "state")
    refusals = Refusals(path, delimiter=",", names=["email"], size=0)
    refusals.add([Refusal(2, "is wrong", ["nobody"])])
    refusals.close()
    assert path.read_text("utf-8-sig").splitlines()[1:] == ["2,is wrong,nobody"]


def test_what_a_person_took_out_of_the_refused_rows_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv.refused.csv"
    path.write_text("refused_line,refused_reason,email\n")
    refusals = Refusals(path, delimiter=",", names=["email"], size=5000)
    refusals.add([Refusal(2, "is wrong", ["=1+1"])])
    refusals.close()
    assert path.read_text().splitlines() == ["refused_line,refused_reason,email", "2,is wrong,'=1+1"]
    assert refusals.size == path.stat().st_size


def test_a_dry_run_counts_whom_a_workflow_is_young_enough_for() -> None:
    foreseen, now = (
        Foreseen([Start("soon", "lead.captured", timedelta(hours=1), ()), Start("ever", "lead.captured", None, ())]),
        utc_now(),
    )
    for type_, age, undated in (
        ("lead.captured", 1, False), ("lead.captured", 59, False), ("lead.captured", 61, False),
        ("lead.captured", 0, True), ("purchase.completed", 0, False),
    ):  # fmt: skip
        event = {"type": type_, "time": now - timedelta(minutes=age), "undated": undated, "data": {}}
        foreseen.add([(None, msgspec.json.encode(event))])
    assert {each["workflow"]: each["at_most"] for each in foreseen.described()} == {"soon": 2, "ever": 3}
