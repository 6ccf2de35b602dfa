"""Cuts a file into pieces that end where a record ends, so that each can be read on its own."""

import csv
import io
import re
from functools import lru_cache
from typing import Final

LONGEST_RECORD: Final = 1_048_576  # bytes: as large as a Kafka message may be


@lru_cache
def _outside_quotes(delimiter: bytes) -> re.Pattern[bytes]:
    """Everything outside quoted cells, and whole ones. A quote opens a cell only at the cell's beginning."""
    begins = re.escape(delimiter) + rb"\r\n"
    return re.compile(
        rb'(?:[^"]++|(?<![^' + begins + rb'])"(?:[^"]++|"")*+"|(?<=[^' + begins + rb'])")*+',
    )


def whole_records(block: bytes, delimiter: bytes) -> int:
    """How many bytes of the block, which begins with a record, are whole CSV records. 0 when none is."""
    end = _last_line_end(block, len(block))
    pattern = _outside_quotes(delimiter)
    while end:
        opened = pattern.match(block, 0, end)
        assert opened is not None
        if opened.end() == end:
            return end
        end = _last_line_end(block, opened.end())  # inside a quoted cell: cut before its record
    return 0


def whole_lines(block: bytes) -> int:
    """How many bytes of the block are whole lines."""
    return block.rfind(b"\n") + 1


def _last_line_end(block: bytes, before: int) -> int:
    end = block.rfind(b"\n", 0, before) + 1
    if end or b"\n" in block:
        return end
    return block.rfind(b"\r", 0, max(0, before - 1)) + 1  # at the very end: its \n may still follow


def count_lines(piece: bytes) -> int:
    """The lines of a piece, as the csv module counts them."""
    return piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")


def before_last_group(piece: bytes, delimiter: str, column: int) -> int:
    """How many bytes precede the last group: consecutive records with the same value in the column.

    An empty value continues the group before it. 0 when the whole piece is one group.
    """
    lines = io.StringIO(piece.decode("latin-1"), newline="").readlines()  # a byte is a character: lengths are bytes
    reader = csv.reader(iter(lines), delimiter=delimiter)
    begins, before, last = 0, 0, ""
    for row in reader:
        value = row[column] if column < len(row) else ""
        if value and value != last:
            begins, last = before, value
        before = reader.line_num
    return sum(map(len, lines[:begins]))
