"""The progress of a download is counted while the download moves things: the count never fails."""

import shutil
import threading
from pathlib import Path

from embedded.brokers.jars import bytes_here


def test_it_counts_what_is_there_and_what_is_under_way(tmp_path: Path) -> None:
    partial = tmp_path / "kafka" / ".partial-one" / "0"
    partial.mkdir(parents=True)
    (partial / "one-1.0.jar").write_bytes(b"half")
    (tmp_path / "kafka" / "two-1.0.jar").write_bytes(b"whole")
    (tmp_path / "kafka" / ".lock").write_bytes(b"not a jar")
    assert bytes_here(tmp_path) == 9


def test_without_a_folder_nothing_is_there(tmp_path: Path) -> None:
    assert bytes_here(tmp_path) == 0


def test_folders_may_go_while_it_counts(tmp_path: Path) -> None:
    kept = tmp_path / "kafka" / "kept-1.0.jar"
    kept.parent.mkdir()
    kept.write_bytes(b"kept")
    done = threading.Event()

    def come_and_go() -> None:
        for n in range(300):
            folder = kept.parent / f".partial-{n}"
            (folder / "0" / "org" / "example").mkdir(parents=True)
            (folder / "0" / "org" / "example" / "one-1.0.jar").write_bytes(b"1")
            shutil.rmtree(folder)
        done.set()

    mover = threading.Thread(target=come_and_go)
    mover.start()
    counts = []
    while not done.is_set():
        counts.append(bytes_here(tmp_path))
    mover.join()
    assert set(counts) <= {4, 5}
    assert bytes_here(tmp_path) == 4
