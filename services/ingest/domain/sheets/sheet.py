"""Reads the rows of a sheet by the same rules as the JSON of `POST /v1/leads` and `/v1/purchases`."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.ingest.domain.checks import Wrong
from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.names import person_name
from services.ingest.domain.plain.leads import read_lead, read_purchase
from services.ingest.domain.plain.rows import PlainRows
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.beside import ADJUSTED, REFUNDED, REFUNDED_AT, Beside, proof_of, refund_of
from services.ingest.domain.sheets.choices import DateOrder, Decimals, Kind
from services.ingest.domain.sheets.columns import LEFT_OUT, Column
from services.ingest.domain.sheets.contacting import otherwise
from services.ingest.domain.sheets.items import COST, COST_OF_GOODS, item_of, less_cost, less_costs, no_amount
from services.ingest.domain.sheets.lines import LINE_PRICE, LINES, merged, total_of
from services.ingest.domain.sheets.opt_outs import KEPT, SEVERAL, OptOuts, is_out
from services.ingest.domain.sheets.standing import is_a_step, is_of_money_back, is_paid, went_back
from services.ingest.domain.sheets.when import When
from shared.events.identity import Identity
from shared.events.types import PurchaseCompleted

FileKind = Kind | Literal["events"]
_LONGEST_ID: Final = 256
_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_COMPUTED: Final = frozenset(
    {"first_name", "last_name", "occurred_at", "estimated_value", "currency", "consent", "consent.wording", "amount",
     "margin", COST_OF_GOODS, "status", "type", "row_id", "order_name", *When.TAKEN, *LINES, REFUNDED, REFUNDED_AT,
     ADJUSTED, *SEVERAL}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file is taken to be. `zone` is for times without one, `currency` for amounts without one.

    `dates`, `decimals`: how to read what may be read in two ways; None where nothing may.
    """

    kind: FileKind
    columns: tuple[Column, ...]
    dates: DateOrder | None = None
    decimals: Decimals = "point"
    currency: str | None = None
    zone: str = "UTC"

    @property
    def grouped(self) -> int | None:
        """The column of the order's id, where an order has as many rows as it has items."""
        taken = [column.taken_as for column in self.columns]
        if self.kind != "purchases" or _ITEMS.isdisjoint(taken):
            return None
        return next((taken.index(name) for name in ("order_name", "order_id") if name in taken), None)

    @property
    def typed(self) -> int | None:
        """The column that says what a row is: a refund is no item of the order above it."""
        return next((index for index, column in enumerate(self.columns) if column.taken_as == "type"), None)


class SheetReader:
    """Makes facts of rows, or of the objects of JSON lines."""

    def __init__(self, sheet: Sheet, source: str) -> None:
        """`source`: `/sources/<name>`."""
        self._sheet = sheet
        self._source = source
        self._zone = UTC if sheet.zone == "UTC" else ZoneInfo(sheet.zone)
        at = {column.taken_as: index for index, column in enumerate(sheet.columns)}
        self._at = {name: index for name, index in at.items() if name in _COMPUTED}
        self._of_lines = "amount" not in at and LINE_PRICE in at
        self._opt_outs = OptOuts([column.taken_as for column in sheet.columns])
        self._direct: list[tuple[int, str]] = []
        self._inner: list[tuple[int, str, str]] = []
        self._items: list[tuple[int, str]] = []
        for index, column in enumerate(sheet.columns):
            outer, _, inner = column.taken_as.partition(".")
            if outer in KEPT:
                self._inner.append((index, "traits", column.name))
            if column.taken_as in _COMPUTED or column.taken_as == LEFT_OUT:
                continue
            if outer == "item":
                self._items.append((index, inner))
            elif inner:
                self._inner.append((index, outer, inner))
            else:
                self._direct.append((index, outer))
        self._names = {column.taken_as: column.name for column in sheet.columns}
        # The type of a row says that its money went back only where no column names the order.
        self._type = self._at.get("type") if "refund_of" not in self._names else None
        self._index = {column.name: index for index, column in enumerate(sheet.columns)}
        plain = sheet.kind == "leads" and PlainRows.are_plain(sheet.columns)
        self._plain = PlainRows(sheet.columns, sheet.dates, self._zone) if plain else None
        self._when = When(sheet.dates, self._zone)
        self.beside = Beside(sheet.columns, dates=sheet.dates, decimals=sheet.decimals, zone=self._zone)
        self._read: Callable[[Mapping[str, Any]], Fact] = read_lead if sheet.kind == "leads" else read_purchase

    def from_row(self, row: Sequence[str]) -> Fact | None:
        """As `from_rows` for a single row."""
        plain = self._plain
        if plain is None or (read := plain.read(row)) is None:
            return self.from_rows([row])
        lead, time = read
        name = row[plain.message_id].strip() if plain.message_id is not None else ""
        if len(name) > _LONGEST_ID:
            return self.from_rows([row])
        if not name:
            row_id = row[plain.row_id] if plain.row_id is not None else None
            name = self._name("lead.captured", lead.identity, time, lead, row_id)
        return Fact("lead.captured", lead.identity, lead, time, name)

    def from_rows(self, rows: Sequence[Sequence[Any]], data: dict[str, Any] | None = None) -> Fact | None:
        """The fact of one row, or of an order's rows; None when it says that the order is not paid.

        A row is at least as long as there are columns. Raises Refused, naming columns.
        """
        first = rows[0] if len(rows) == 1 else merged(rows, self._at, self._sheet.decimals)
        data = {} if data is None else data
        for index, name in self._direct:
            if (value := first[index]) != "":
                data[name] = value
        for index, outer, inner in self._inner:
            if (value := first[index]) != "":
                data.setdefault(outer, {})[inner] = value
        wrong: list[Wrong] = []
        row_id = self._compute(first, data, wrong) if self._at else None
        if row_id is _UNPAID:
            return None
        if self._of_lines:
            self._lines(rows, first, data, wrong)
        if COST_OF_GOODS in self._at:
            less_cost(first[self._at[COST_OF_GOODS]], data, self._sheet.decimals, wrong)
        if self._items:
            items = [item for row in rows if (item := item_of(row, self._items, self._sheet.decimals, wrong))]
            less_costs(items, data)
            data["items"] = [item for item in items if item]
        back = self._type is not None and is_of_money_back(first[self._type])
        if not wrong and (back or "refund_of" in data) and (refund := refund_of(data, went_back=back)) is not None:
            return refund
        fact = self._identified(self._checked(data, wrong), row_id)
        return _of_its_order(fact) if isinstance(fact.data, PurchaseCompleted) else fact

    def from_object(self, said: Mapping[str, Any]) -> Fact | None:
        """The fact of one JSON object; None when it says that the order is not paid. Raises Refused."""
        if self._sheet.kind == "events":
            return read_cloud_event(said)
        row: list[Any] = [""] * len(self._sheet.columns)
        data: dict[str, Any] = {}
        for name, value in said.items():
            index = self._index.get(name)
            if index is None or isinstance(value, dict | list):
                data[name] = value
            elif value is not None:
                row[index] = value
        return self._from_object_row(row, data)

    def _from_object_row(self, row: list[Any], data: dict[str, Any]) -> Fact | None:
        if not isinstance(data.get("traits", {}), dict):
            raise Refused([Wrong("/traits", "must be an object")])
        return self.from_rows([row], data)

    def _cell(self, row: Sequence[Any]) -> dict[str, Any]:
        return {name: value for name, index in self._at.items() if (value := row[index]) != ""}

    def _compute(self, row: Sequence[Any], data: dict[str, Any], wrong: list[Wrong]) -> object:
        """Fill in what is made of cells; the row's own id, or _UNPAID."""
        cell = self._cell(row)
        status = cell.get("status")
        unpaid = isinstance(status, str) and not is_paid(status) and not went_back(status, cell.get(REFUNDED, ""))
        if unpaid or ("type" in cell and is_a_step(cell["type"])):
            return _UNPAID
        if "order_name" in cell:
            data.setdefault("order_id", cell["order_name"])
        if "first_name" in cell or "last_name" in cell:
            full, first, last = (
                str(each).strip() for each in (data.get("name", ""), *(cell.get(name, "") for name in _HALVES))
            )
            if first or last:
                data["name"] = person_name(full, first, last)
        if "occurred_at" in cell:
            self._when.tell(cell, data, wrong)
        if "consent" in cell:
            self._consent(cell, data)
        if self._opt_outs.any:
            self._opted(row, data)
        for name in ("amount", "margin", "estimated_value"):
            if name in cell:
                self._amount(name, cell[name], cell.get("currency"), data, wrong)
        return cell.get("row_id")

    def _opted(self, row: Sequence[Any], data: dict[str, Any]) -> None:
        """What the columns beside that of the consent say: a no always, a yes where nothing else is said."""
        for channel, (given, index) in self._opt_outs.said(row).items():
            before = data.get("consent") if isinstance(data.get("consent"), dict) else None
            if not given or not before or before.get(channel) is None:
                data["consent"] = {**(before or {}), channel: given, "proof": proof_of(self._sheet.columns[index])}

    def _consent(self, cell: Mapping[str, Any], data: dict[str, Any]) -> None:
        said = cell["consent"]
        if isinstance(said, str):
            plain = said.strip().lower()
            if plain not in cells.YES and plain not in cells.NO and not is_out(plain):
                data.setdefault("traits", {})["consent_as_written"] = said
                return
            said = plain in cells.YES
        data["consent"] = {"email": said, "wording": cell.get("consent.wording")}

    def _amount(self, name: str, value: Any, currency: Any, data: dict[str, Any], wrong: list[Wrong]) -> None:
        number = cells.amount(value, self._sheet.decimals) if isinstance(value, str) else value
        beside = cells.currency_beside(value) if isinstance(value, str) else None
        if number is None and isinstance(value, str) and value.strip():
            wrong.append(no_amount(name))
            number = "0"
        code = (
            cells.SYMBOLS.get(str(currency).strip(), currency)
            if currency is not None
            else beside or self._sheet.currency
        )
        if name == "estimated_value":
            if number is not None:
                data[name] = {"amount": number, "currency": code}
            return
        data[name] = number
        if name == "amount" and code is not None:
            data["currency"] = code

    def _lines(
        self, rows: Sequence[Sequence[Any]], first: Sequence[Any], data: dict[str, Any], wrong: list[Wrong]
    ) -> None:
        total = total_of(rows, self._at, self._sheet.decimals)
        if total is None:
            wrong.append(no_amount(LINE_PRICE))
        data |= {"amount": total or "0", "currency": self._cell(first).get("currency") or self._sheet.currency}

    def _checked(self, data: dict[str, Any], wrong: list[Wrong]) -> Fact:
        try:
            fact = self._read(data)
        except Refused as refused:
            if otherwise(data, {each.at for each in refused.wrong}, traits=self._sheet.kind == "leads"):
                return self._checked(data, wrong)
            more = [each for each in refused.wrong if each.at not in {known.at for known in wrong}]
            raise Refused([self._named(each) for each in (*wrong, *more)]) from None
        if wrong:
            raise Refused([self._named(each) for each in wrong])
        return fact

    def _named(self, wrong: Wrong) -> Wrong:
        """With the column's name in place of ours."""
        parts = wrong.at.strip("/").split("/")
        inner = parts[2] if parts[0] == "items" and len(parts) > 2 else parts[1] if len(parts) > 1 else ""  # noqa: PLR2004
        outer = {"items": "item"}.get(parts[0], parts[0])
        ours = "currency" if inner == "currency" else f"{outer}.{inner}" if f"{outer}.{inner}" in self._names else outer
        return Wrong(self._names.get(ours, ours or "row"), wrong.problem)

    def _identified(self, fact: Fact, row_id: object) -> Fact:
        """With an id that a second import of the row comes to again: the row's own, or a hash of what it says."""
        if fact.sender_id is not None:
            return fact
        return fact.named(self._name(fact.type, fact.identity, fact.time, fact.data, row_id))

    def _name(self, kind: str, identity: Identity, time: datetime | None, data: Struct, row_id: object) -> str:
        if row_id is not None and (own := str(row_id).strip()):
            return f"row:{own}\n{identity.primary(self._source)}"
        return f"row:{hashlib.sha256(_ENCODER.encode((kind, time, data))).hexdigest()}"


def _of_its_order(fact: Fact) -> Fact:
    """Known by its order too: a refund that names nobody finds who bought."""
    assert isinstance(fact.data, PurchaseCompleted)
    who = replace(fact.identity, order=fact.data.order_id)
    return replace(fact, identity=who, data=replace(fact.data, identity=who))


_UNPAID: Final = object()
# A quantity alone is of the whole.
_ITEMS: Final = frozenset({"item.sku", "item.name", "item.price", "item.margin", f"item.{COST}", LINE_PRICE})
_HALVES: Final = ("first_name", "last_name")
