"""A disk to fill up: a real file system of its own where we may mount one, else a limit on the size of every file."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

LIMIT = 4096  # what is written while the limit stands in for a full disk has to be larger
_SIZE = 4_000_000


class Disk(Protocol):
    """To be filled, and to be made room on."""

    def fill(self) -> None: ...
    def free(self) -> None: ...


class _Mounted:
    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as filler:
            while True:
                try:
                    filler.write(bytes(4096))
                except OSError:
                    return

    def free(self) -> None:
        self._filler.unlink()


class _Limited:
    def __init__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, self._before[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Make the folder a disk of a few megabytes."""
    if not _mounted(folder):
        disk = _Limited()
        try:
            yield disk
        finally:
            disk.free()
        return
    try:
        yield _Mounted(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mounted(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "small-disk", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
