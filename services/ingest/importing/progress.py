"""The progress of an import, on disk, so that it continues there after a kill."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from shared.errors import FirsthourError
from shared.secrets import write_private

_FOLDER = "imports"


class AlreadyRunning(FirsthourError):  # noqa: N818 - reads as what happened
    """Another process is importing this file."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Everything before `offset` is acknowledged, or in the file of refused rows, which has `refused_bytes`.

    `of` tells the file, as it is now, and the options; `line` counts from 1. `read`: bytes of the file as it lies
    """

    of: str
    offset: int = 0
    read: int = 0
    line: int = 1
    taken: int = 0
    refused: int = 0
    left_out: int = 0
    refused_bytes: int = 0


class ProgressFile:
    """The progress of one file, in the state folder. It holds no row."""

    def __init__(self, state: Path, file: Path) -> None:
        name = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:24]
        self._path = state / _FOLDER / f"{name}.json"

    @property
    def beside(self) -> Path:
        """A folder of this file alone, for what cannot lie beside it."""
        return self._path.with_suffix("")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes away. Raises AlreadyRunning."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning("another `firsthour import` of this file is running") from None
            for draft in self._path.parent.glob(f".{self._path.name}.*"):  # of a process killed while writing
                draft.unlink()
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Progress | None:
        """The progress of the last run; None when it finished, or there was none."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, progress: Progress) -> None:
        """Store it, safe against a crash of the machine."""
        write_private(self._path, msgspec.json.encode(progress).decode())

    def forget(self) -> None:
        """Delete it: the import is finished."""
        self._path.unlink(missing_ok=True)
