"""The rejected rows, in a file beside the original: to be corrected and imported again."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from services.ingest.domain.sheets.cells import as_text
from services.ingest.domain.sheets.columns import REFUSED
from services.ingest.importing.work import Refusal
from shared.errors import FirsthourError


def refused_path(file: Path, otherwise: Path, *, writable: bool) -> Path:
    """Where the rejected rows of a file are: beside it, or, where nobody may write, in the folder `otherwise`."""
    return (file.parent if writable else otherwise) / f"{file.name}.refused.csv"


class Unwritable(FirsthourError):  # noqa: N818 - reads as what happened
    """The rejected rows cannot be written; the message says why."""


class Refusals:
    """A CSV file of the original rows with line and reason, created with the first row, readable by its owner only."""

    def __init__(self, path: Path, *, delimiter: str, names: Sequence[str], size: int) -> None:
        """`size`: the bytes that an earlier run had written and stored; what follows them is cut off."""
        self.path = path
        self._delimiter = delimiter
        self._names = names
        self._file: int | None = None
        self.size = min(size, path.stat().st_size) if path.exists() else 0  # a person may have shortened it
        if self.size:
            os.truncate(path, self.size)
        else:
            path.unlink(missing_ok=True)

    def add(self, refused: Sequence[Refusal]) -> None:
        """Write them; `sync` makes them safe. Raises Unwritable."""
        if not refused:
            return
        rows = io.StringIO(newline="")
        writer = csv.writer(rows, delimiter=self._delimiter)
        if not self.size:
            writer.writerow([*REFUSED, *map(as_text, self._names)])
        writer.writerows([each.line, each.reason, *map(as_text, each.row)] for each in refused)
        content = rows.getvalue().encode("utf-8" if self.size else "utf-8-sig")  # by the mark Excel recognises UTF-8
        try:
            self._write(content)
        except OSError as error:
            raise Unwritable(
                f"cannot write {self.path}: {error.strerror}; the same command goes on from there"
            ) from None
        self.size += len(content)

    def _write(self, content: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        left = memoryview(content)
        while left:  # a disk that is almost full takes a part, and says nothing
            left = left[os.write(self._file, left) :]

    def sync(self) -> None:
        """Return once all that was added is on the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
