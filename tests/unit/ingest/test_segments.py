"""The spool's records: what was written is read, and whatever happens to the bytes, nothing else is."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.accept.segment_files import SegmentFolder, pack, unpack
from shared.kafka.records import Outgoing

EVENTS = st.lists(
    st.builds(
        Outgoing,
        topic=st.text(max_size=20),
        key=st.none() | st.binary(max_size=32),
        value=st.binary(max_size=80) | st.just(b"\xf5FH1" * 5),
        headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=2).map(tuple),
    ),
    max_size=8,
)


@given(EVENTS)
def test_what_was_written_is_read(events: list[Outgoing]) -> None:
    found = unpack(b"".join(map(pack, events)))
    assert (found.outgoing, found.lost, found.cut) == (tuple(events), 0, 0)


@given(EVENTS, st.data())
def test_a_file_cut_anywhere_has_all_records_before_the_cut(events: list[Outgoing], data: st.DataObject) -> None:
    records = [pack(each) for each in events]
    whole = b"".join(records)
    end = data.draw(st.integers(0, len(whole)))
    before, size = 0, 0
    while before < len(records) and size + len(records[before]) <= end:
        size += len(records[before])
        before += 1
    found = unpack(whole[:end])
    assert (found.outgoing, found.lost, found.cut) == (tuple(events[:before]), 0, end - size)


@given(EVENTS, st.data())
def test_damage_costs_only_the_records_it_hit(events: list[Outgoing], data: st.DataObject) -> None:
    records = [pack(each) for each in events]
    whole = bytearray(b"".join(records))
    at = data.draw(st.integers(0, max(len(whole) - 1, 0)))
    spoil = data.draw(st.binary(min_size=1, max_size=40))
    whole[at : at + len(spoil)] = spoil[: len(whole) - at]
    kept, place = [], 0
    for event, record in zip(events, records, strict=True):
        if whole[place : place + len(record)] == record:
            kept.append(event)
        place += len(record)
    found = unpack(bytes(whole))
    assert list(found.outgoing) == kept
    if len(kept) < len(events):
        assert found.lost + found.cut > 0, "it is not silent"


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything(data: bytes) -> None:
    assert unpack(data).outgoing == ()


EVENT = pack(Outgoing("events", b"key", b"{}"))


def test_what_is_said_to_be_kept_outlives_a_power_loss(tmp_path: Path) -> None:
    """Each time all that was written is synced before `append` returns, and a new file's name before its content."""
    synced: list[tuple[bool, int]] = []

    def sync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append((bool(found.st_mode & 0o040000), found.st_size))

    folder = SegmentFolder(tmp_path / "spool", sync=sync)
    assert [is_folder for is_folder, _ in synced] == [True], "the folder's own name"
    folder.append([EVENT])
    folder.append([EVENT, EVENT])
    assert [is_folder for is_folder, _ in synced] == [True, True, False, False]
    assert [size for is_folder, size in synced if not is_folder] == [len(EVENT), 3 * len(EVENT)]
    folder.close()


def test_what_the_disk_did_not_take_is_not_there(tmp_path: Path) -> None:
    refuses = False

    def sync(descriptor: int) -> None:
        if refuses:
            raise OSError("no")
        os.fsync(descriptor)

    folder = SegmentFolder(tmp_path / "spool", sync=sync)
    folder.append([EVENT])
    refuses = True
    with pytest.raises(OSError, match="no"):
        folder.append([EVENT])
    refuses = False
    oldest = folder.oldest()
    assert oldest is not None
    assert len(oldest[1]) == 1
    folder.append([EVENT])
    folder.close()
    again = SegmentFolder(tmp_path / "spool")
    assert [each.events for each in again.segments] == [1, 1], "nor after the next start: its sender was refused"
    again.close()


def test_of_what_was_hit_in_two_places_every_byte_is_counted() -> None:
    spoilt = b"?" + EVENT[1:]
    found = unpack(EVENT + spoilt + EVENT + spoilt + EVENT)
    assert (len(found.outgoing), found.lost, found.cut) == (3, 2 * len(EVENT), 0)


def test_what_cannot_be_deleted_is_sent_again_only_after_the_next_start(tmp_path: Path) -> None:
    folder = SegmentFolder(tmp_path / "spool")
    folder.append([EVENT])
    oldest = folder.oldest()
    assert oldest is not None
    segment, _ = oldest
    segment.path.unlink()  # as gone as a disk that lost it
    folder.forget(segment)
    assert folder.oldest() is None
    folder.close()


def test_a_probe_is_synced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    synced: list[int] = []
    folder = SegmentFolder(tmp_path / "spool", sync=lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    synced.clear()
    folder.probe()
    assert synced == [65_536], "a whole probe, written once"
    assert [path.name for path in folder.path.iterdir()] == ["lock"]
    folder.close()
