"""A file is cut into pieces that are the file, wherever one begins to read."""

import csv
import gzip
import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.importing.cutting import before_last_group, count_lines, whole_records
from services.ingest.importing.reading import Piece, Shape, Unreadable, letters_of, pieces, sample

CSV = st.text(st.sampled_from('ab",;\n\r x'), max_size=60).map(str.encode)


def rows_of(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))


@given(CSV, st.sampled_from(",;"))
@example(b'a"b,c\n"d\n', ",")
@example(b'"a""\n","b', ",")
def test_a_cut_goes_through_no_record(content: bytes, delimiter: str) -> None:
    cut = whole_records(content, delimiter.encode())
    assert rows_of(content[:cut], delimiter) + rows_of(content[cut:], delimiter) == rows_of(content, delimiter)


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab",\nü€'), max_size=6), min_size=2, max_size=2), max_size=40),
    st.integers(1, 90),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.booleans(),
)
def test_the_pieces_of_a_file_are_the_file_wherever_one_begins(
    rows: list[list[str]], size: int, encoding: str, packed: bool
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["head", "ü€"], *rows])
    content = written.getvalue().encode(encoding)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.csv"
        path.write_bytes(gzip.compress(content) if packed else content)
        found = letters_of(path).encoding or encoding
        shape = Shape(found, ",")
        assert sample(path, found) == b"".join(piece.content for piece in pieces(path, shape))

        def read(some: Iterable[Piece]) -> list[list[str]]:
            return [row for each in some for row in csv.reader(io.StringIO(shape.text(each.content), newline=""))]

        whole = list(pieces(path, shape, size=size))
        assert read(whole) == rows_of(written.getvalue().encode())
        assert not any(piece.broken for piece in whole)
        for nth, piece in enumerate(whole):
            rest = list(pieces(path, shape, offset=piece.end, line=piece.next_line, size=size))
            assert read(rest) == read(whole[nth + 1 :])
            assert [p.next_line for p in rest[-1:]] == [p.next_line for p in whole[nth + 1 :][-1:]]


@given(st.lists(st.tuples(st.sampled_from(["1", "2", "3", ""]), st.sampled_from(["x", "a\nb", 'q"'])), max_size=20))
def test_a_cut_goes_through_no_order(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    content = written.getvalue().encode()
    cut = before_last_group(content, ",", 0)
    before, after = rows_of(content[:cut]), rows_of(content[cut:])
    assert before + after == rows_of(content)
    assert len({row[0] for row in after if row[0]}) <= 1
    assert not before or (after[0][0] and after[0][0] != next((row[0] for row in reversed(before) if row[0]), ""))


def test_a_quote_that_never_ends_costs_its_line_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(b'email,note\na@example.com,"never ends\nb@example.com,x\n' + b"c@example.com,y\n" * 9)
    found = list(pieces(path, Shape("utf-8", ",")))
    assert [(piece.line, piece.content) for piece in found if piece.broken] == [(2, b'a@example.com,"never ends\n')]
    assert b"".join(piece.content for piece in found) == path.read_bytes()


def test_lines_are_counted_as_the_csv_module_counts_them() -> None:
    content = b'a,b\r\n"c\nd",e\rf,g\n'
    reader = csv.reader(io.StringIO(content.decode(), newline=""))
    list(reader)
    assert count_lines(content) == reader.line_num


def test_an_order_is_in_one_piece_however_small_pieces_are(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    rows = [f"#{n // 3},{'a' * (n % 7)}\n" if n % 3 == 0 else f",{'b' * (n % 7)}\n" for n in range(60)]
    path.write_text("".join(rows))
    for size in (1, 5, 20, 100):
        found = list(pieces(path, Shape("utf-8", ",", 0), size=size))
        assert b"".join(piece.content for piece in found) == path.read_bytes()
        assert all(piece.content.startswith(b"#") for piece in found)
        assert len(found) > 1


def test_lines_that_end_in_a_return_and_a_feed_are_cut_behind_both(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"email\r\na@example.com\r\n")
    for size in range(1, 9):
        found = list(pieces(path, Shape("utf-8", ","), size=size))
        assert not [piece.content for piece in found if piece.content.startswith(b"\n")]
        assert found[-1].next_line == 3


def test_the_letters_of_the_last_line_count_without_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes("email,name\nz@example.com,Łódź".encode("cp1250"))
    assert letters_of(path) == (None, "z@example.com,Łódź\n".encode("cp1250"))


def test_a_packed_file_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv.gz"
    path.write_bytes(gzip.compress(b"email\n" + b"a@example.com\n" * 9)[:-12])
    with pytest.raises(Unreadable, match="cannot be read on"):
        list(pieces(path, Shape("utf-8", ",")))
