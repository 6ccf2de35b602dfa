"""What a file is: its format, its columns, and questions where it can be read in two ways."""

import csv
import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import DateOrder, Decimals, Kind
from services.ingest.domain.sheets.code_pages import WESTERN, Page, code_page, keeps_bytes, pages_of
from services.ingest.domain.sheets.columns import (
    Column,
    NotUnderstood,
    guess_columns,
    guess_kind,
    looks_like_a_row,
    read_map,
)
from services.ingest.domain.sheets.lines import EARNED, LINE_PRICE, LINES
from services.ingest.domain.sheets.sheet import Sheet
from services.ingest.importing.cutting import LONGEST_RECORD, count_lines, whole_lines, whole_records
from services.ingest.importing.reading import UTF_8, Letters, Shape, letters_of, sample
from shared.money import is_currency

_MOST_PAGES: Final = 4  # in a question
_FIRST: Final = 200  # rows whose values tell what a column is
_DELIMITERS: Final = ",;\t|"
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx, .ods, .numbers; .xls
_T = TypeVar("_T", DateOrder, Decimals)


@dataclass(frozen=True, slots=True)
class Wishes:
    """The user's options about the file; None and empty where there are none."""

    kind: Kind | None = None
    map: tuple[str, ...] = ()
    dates: DateOrder | None = None
    decimals: Decimals | None = None
    currency: str | None = None
    zone: str = "UTC"
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the user; `option` answers it in advance. No choices: a currency, or a code page."""

    option: str
    text: str
    choices: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """An example of an answer."""
        return "|".join(self.choices) or ("cp1250" if self.option == "--encoding" else "EUR")

    def accepts(self, answer: str) -> bool:
        """Whether it is an answer."""
        if self.option == "--encoding":
            return code_page(answer) is not None
        return answer in self.choices if self.choices else is_currency(answer.upper())


@dataclass(frozen=True, slots=True)
class Understanding:
    """What the file is. `begins`, `line`: where the first row is. `questions` have to be answered first.

    `undated`: how many of how many first rows have no time.
    """

    sheet: Sheet
    shape: Shape
    begins: int
    line: int
    rows: tuple[tuple[Any, ...], ...] = field(repr=False)  # the first ones
    questions: tuple[Question, ...] = ()
    undated: tuple[int, int] = (0, 0)


def understand(path: Path, wishes: Wishes) -> Understanding:
    """Look at the beginning of the file. Raises NotUnderstood, or Unreadable."""
    try:
        ZoneInfo(wishes.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise NotUnderstood(f"--zone: {wishes.zone!r} is no time zone; write it as Europe/Berlin") from None
    if wishes.currency is not None and not is_currency(wishes.currency.upper()):
        raise NotUnderstood("--currency: must be an ISO 4217 code such as EUR")
    csv.field_size_limit(2 * LONGEST_RECORD)
    questions: list[Question] = []
    shape = _letters(path, wishes, questions)
    head = sample(path, shape.encoding)
    if not head.strip():
        raise NotUnderstood("the file is empty")
    if head.startswith(_WORKBOOKS):
        raise NotUnderstood("it is a workbook or a packed folder: save the sheet as CSV, and import that")
    if head.lstrip()[:1] == b"{":
        return _of_lines(head, shape, wishes, questions)
    if head.lstrip()[:2] in (b"[{", b"[\n", b"[\r"):
        raise NotUnderstood(
            "a JSON list cannot be read piece by piece: put each object on a line, as `jq -c '.[]'` does"
        )
    return _of_sheet(head, shape, wishes, questions)


def _letters(path: Path, wishes: Wishes, questions: list[Question]) -> Shape:
    """The file's encoding, and a question when it is unclear."""
    if wishes.encoding is not None:
        told = code_page(wishes.encoding)
        if told is None:
            raise NotUnderstood(
                f"--encoding: {wishes.encoding!r} is not known; there are utf-8, cp1250, cp1252 and others"
            )
        if told == "utf-16":  # its mark says which half of a letter comes first
            told = letters_of(path).encoding or "utf-16-le"
        if not keeps_bytes(told):
            return Shape(UTF_8 if told == "utf-8-sig" else told, None)
        mixed = (found := letters_of(path)).foreign and found.encoding == UTF_8
        return Shape(UTF_8 if mixed else told, None, page=told)
    found = letters_of(path)
    if not found.foreign:
        return Shape(found.encoding or UTF_8, None)
    pages = pages_of(found.foreign)
    if len(pages) != 1:
        questions.append(_which_page(found, pages))
    page = pages[0].name if pages else WESTERN
    return Shape(found.encoding or page, None, page=page)


def _which_page(found: Letters, pages: Sequence[Page]) -> Question:
    """With the letters that differ, and no word of anybody."""
    some = "some lines are" if found.encoding == UTF_8 else "it is"
    shown = " or ".join(f"{each.letters} ({each.name})" for each in pages[:_MOST_PAGES])
    asked = f"which letters are right, {shown}?" if pages else "which code page is it, such as cp1250?"
    return Question("--encoding", f"{some} not UTF-8: {asked}", tuple(each.name for each in pages[:_MOST_PAGES]))


def _of_sheet(head: bytes, shape: Shape, wishes: Wishes, questions: list[Question]) -> Understanding:
    begins = len(head) - len(head.lstrip(b"\r\n"))
    told = None
    if head[begins:].lower().startswith(b"sep="):  # Excel's own word for the delimiter
        told = chr(head[begins + 4])
        begins = head.find(b"\n", begins) + 1
    delimiter = told or _delimiter(shape.text(head[begins : begins + LONGEST_RECORD]))
    whole = whole_records(head[begins:], delimiter.encode()) or len(head) - begins
    read = csv.reader(io.StringIO(shape.text(head[begins : begins + whole]), newline=""), delimiter=delimiter)
    names = [name.strip() for name in next(read)]
    header = _header(head[begins:], read.line_num)
    rows = [row for row in read if any(row)]
    if not any(names):
        raise NotUnderstood("the first line is empty; it has to name the columns")
    if looks_like_a_row(names):
        raise NotUnderstood("the first line is a row already: write one above it that names the columns, as email,name")
    kind = wishes.kind or guess_kind(names)
    columns = guess_columns(kind, names, rows[:_FIRST], read_map(wishes.map, kind, names))
    line = count_lines(head[: begins + header]) + 1
    shape = replace(shape, delimiter=delimiter)
    return _asked(columns, rows, kind, shape, questions, begins=begins + header, line=line, wishes=wishes)


def _header(head: bytes, lines: int) -> int:
    """The length in bytes of the first record, which has so many lines."""
    return len("".join(io.StringIO(head.decode("latin-1"), newline="").readlines()[:lines]))


def _of_lines(head: bytes, shape: Shape, wishes: Wishes, questions: list[Question]) -> Understanding:
    objects: list[dict[str, Any]] = []
    for each in shape.text(head[: whole_lines(head) or len(head)]).split("\n"):
        try:
            said = msgspec.json.decode(each)
        except (msgspec.DecodeError, RecursionError):
            continue
        if isinstance(said, dict):
            objects.append(said)
    if not objects:
        raise NotUnderstood("no line of the file's beginning is a JSON object")
    if wishes.kind is None and "specversion" in objects[0]:
        return Understanding(Sheet("events", ()), shape, 0, 1, (), tuple(questions))
    plain = dict.fromkeys(k for o in objects for k, v in o.items() if not isinstance(v, dict | list))
    names = list(plain)
    kind = wishes.kind or guess_kind(names)
    rows = [[_cell(each.get(name)) for name in names] for each in objects]
    columns = guess_columns(kind, names, rows[:_FIRST], read_map(wishes.map, kind, names))
    return _asked(columns, rows, kind, shape, questions, begins=0, line=1, wishes=wishes)


def _cell(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _delimiter(beginning: str) -> str:
    """The delimiter that cuts the first lines into the most cells, equally many in each."""

    def fitness(delimiter: str) -> tuple[float, int]:
        first = itertools.islice(csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter), 20)
        rows = [row for row in first if any(row)]
        columns = len(rows[0]) if rows else 1
        return (sum(len(row) == columns for row in rows) / max(1, len(rows)) if columns > 1 else 0.0), columns

    return max(_DELIMITERS, key=fitness)


def _asked(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    kind: Kind,
    shape: Shape,
    questions: list[Question],
    *,
    begins: int,
    line: int,
    wishes: Wishes,
) -> Understanding:
    """Complete it with what the values show of dates, amounts and currencies, and questions where they do not."""
    taken = {column.taken_as: index for index, column in enumerate(columns)}

    def values(*targets: str) -> list[str]:
        at = [taken[target] for target in targets if target in taken]
        return [value for row in rows for index in at if index < len(row) and (value := row[index].strip())]

    _needed(kind, columns, shape)
    money = values(
        "amount", *EARNED, "refunded", "adjusted", "estimated_value", "item.price", "item.margin", "item.cost", *LINES
    )
    moments = values("occurred_at")
    dates = wishes.dates or _decided(cells.date_orders, moments + values("refunded_at"), _DATES, questions)
    decimals = wishes.decimals or _decided(cells.decimals_of, money, _DECIMALS, questions)
    priced = "estimated_value" if kind != "purchases" else "amount" if "amount" in taken else LINE_PRICE
    if priced in taken and "currency" not in taken and wishes.currency is None:
        amounts = values(priced)
        if not amounts or not all(map(cells.currency_beside, amounts)):
            questions.append(Question("--currency", f"{columns[taken[priced]].name}: in which currency, such as EUR?"))
    in_utc = "occurred_at" in taken and "(utc)" in columns[taken["occurred_at"]].name.lower()
    currency = wishes.currency.upper() if wishes.currency is not None else None
    zone = "UTC" if in_utc else wishes.zone
    sheet = Sheet(kind, tuple(columns), dates, decimals or "point", currency, zone)
    shape = replace(shape, grouped=sheet.grouped if shape.delimiter is not None else None)
    of_orders = sheet.grouped is not None and bool(moments)  # only the first row of an order says when
    undated = (0 if of_orders else len(rows) - len(moments), len(rows))
    return Understanding(sheet, shape, begins, line, tuple(map(tuple, rows[:_FIRST])), tuple(questions), undated)


_DATES: Final = Question(
    "--dates", "{}: is the day before the month (dmy), or the month before the day (mdy)?", get_args(DateOrder)
)
_DECIMALS: Final = Question("--decimal", "{}: is its decimal sign a point or a comma?", get_args(Decimals))


def _decided(
    read: Callable[[Sequence[str]], tuple[bool, frozenset[_T]]],
    values: Sequence[str],
    question: Question,
    questions: list[Question],
) -> _T | None:
    """How to read the values; None, and a question about the first ambiguous one, when they do not show it."""
    unsure, shown = read(values)
    if len(shown) == 1:
        return next(iter(shown))
    if unsure or shown:
        example = next((value for value in values if read([value])[0]), values[0])
        questions.append(replace(question, text=question.text.format(example)))
    return None


def _needed(kind: Kind, columns: Sequence[Column], shape: Shape) -> None:
    taken = {column.taken_as for column in columns}
    missing = [] if taken & {"email", "phone", "user_id", "anonymous_id"} else ["email"]
    if kind == "purchases":
        priced = LINE_PRICE in taken
        missing += [name for name in ("order_id", "amount") if name not in taken and not (name == "amount" and priced)]
    if missing and shape.delimiter is not None:
        names = ", ".join(column.name for column in columns if column.name)
        raise NotUnderstood(
            f"no column is {' or '.join(missing)} as far as can be seen; say which: --map {missing[0]}='Its column'; "
            f"there are {names}"
        )


def answered(wishes: Wishes, answers: Mapping[str, str]) -> Wishes:
    """The wishes with the answers to questions, by option."""
    names = {"--dates": "dates", "--decimal": "decimals", "--currency": "currency", "--encoding": "encoding"}
    said: dict[str, Any] = {names[option]: answer for option, answer in answers.items()}
    return Wishes(**{**{name: getattr(wishes, name) for name in Wishes.__slots__}, **said})
