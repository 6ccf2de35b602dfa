"""What advertising cost, as its platforms export it: rows of a day and a campaign, or finer ones that are added up."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import DateOrder, Decimals
from services.ingest.domain.sheets.columns import plain_name
from shared.events.types import CostRecorded
from shared.money import is_amount, is_currency

Target: TypeAlias = Literal["day", "week", "month", "last_day", "amount", "currency", "campaign", "source"]
# The best name first: an export by day names its day beside the report's own beginning and end.
_NAMES: Final[Mapping[Target, tuple[str, ...]]] = {
    "day": ("day", "byday", "gregoriandate", "date", "startdateinutc", "startdate", "reportingstarts", "from", "tag",
            "datum", "auswertungsstart", "jour", "dia", "giorno", "dag", "data", "dzien"),
    "week": ("week", "weekstart", "woche", "semaine", "semana"),
    "month": ("month", "monat", "mois", "mes", "mese"),
    "last_day": ("enddateinutc", "enddate", "reportingends", "to", "auswertungsende"),
    "amount": ("amountspent", "totalspent", "cost", "spend", "costs", "totalcost", "amount", "kosten",
               "ausgegebenerbetrag", "ausgaben", "cout", "montantdepense", "coste", "importegastado", "costo", "custo",
               "koszt"),
    "currency": ("currencycode", "currency", "accountcurrency", "wahrungscode", "wahrung", "devise", "codedevise",
                 "moneda", "valuta", "waluta"),
    "campaign": ("utmcampaign", "campaignname", "campaign", "kampagnenname", "kampagne", "nomdelacampagne", "campagne",
                 "nombredelacampana", "campana", "campanha", "kampania"),
    "source": ("utmsource", "source", "quelle"),
}  # fmt: skip
_CODE: Final = re.compile(r"\(([A-Z]{3})\)\s*$")  # Meta: `Amount spent (EUR)`
_BEGINS: Final[tuple[Target, ...]] = ("day", "week", "month")
_TOTALS: Final = ("total", "gesamt", "summe", "insgesamt")
_NOTHING: Final = frozenset({"", "-", "--", "—"})
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class CostColumns:
    """Where each meaning stands, and the currency that a name tells."""

    at: Mapping[Target, int]
    currency: str | None = None

    @property
    def begins(self) -> Target:
        """The column that says when a row's period begins."""
        return next(each for each in _BEGINS if each in self.at)


@dataclass(frozen=True, slots=True)
class CostReading:
    """How to read the cells, and what the file does not say. `source`: of all rows, for those that name none.

    `by_campaign`: False adds up all campaigns of a source.
    """

    zone: tzinfo
    dates: DateOrder | None = None
    decimals: Decimals = "point"
    currency: str | None = None
    source: str | None = None
    by_campaign: bool = True


class Key(NamedTuple):
    """Whose cost it is, and when: rows of one key are one cost. `until` is not part of the period."""

    since: datetime
    until: datetime
    source: str | None
    campaign: str | None
    currency: str

    @property
    def cost_id(self) -> str:
        """The same for the same key, so that what is imported again replaces what was told before."""
        names = [each and each.lower() for each in (self.source, self.campaign)]
        mark = hashlib.sha256(msgspec.json.encode((self.since, self.until, *names, self.currency))).hexdigest()
        return f"{self.since:%Y-%m-%d}-{mark[:24]}"


class RefusedRow(NamedTuple):
    line: int
    reason: str


class Costs(NamedTuple):
    """What a file tells. `left_out`: totals, and rows of nothing."""

    told: list[CostRecorded]
    refused: list[RefusedRow]
    left_out: int


def cost_columns(names: Sequence[str]) -> CostColumns | None:
    """What these names of columns are; None when they do not tell what was spent when."""
    plain = [plain_name(_CODE.sub("", name)) for name in names]
    at: dict[Target, int] = {}
    for target, known in _NAMES.items():
        found = next((plain.index(name) for name in known if name in plain), None)
        if found is not None:
            at[target] = found
    if "amount" not in at or not any(each in at for each in _BEGINS):
        return None
    code = _CODE.search(names[at["amount"]])
    return CostColumns(at, code[1] if code is not None and is_currency(code[1]) else None)


def added_up(columns: CostColumns, rows: Sequence[tuple[int, Sequence[str]]], reading: CostReading) -> Costs:
    """The costs of these rows, each with its line, in the order of their periods."""
    sums: dict[Key, Decimal] = {}
    spelt: dict[str, Key] = {}
    refused: list[RefusedRow] = []
    left_out = 0
    for line, row in rows:
        cell = {target: row[index].strip() if index < len(row) else "" for target, index in columns.at.items()}
        if _is_total(cell, row):
            left_out += 1
            continue
        try:
            key, amount = _read(cell, columns, reading)
        except (ValueError, OverflowError) as error:
            refused.append(RefusedRow(line, str(error)))
            continue
        key = spelt.setdefault(key.cost_id, key)
        sums[key] = sums.get(key, Decimal(0)) + amount
    told: list[CostRecorded] = []
    for key in sorted(sums, key=lambda key: (key.since, key.until, key.source or "", key.campaign or "")):
        amount_text = f"{sums[key]:f}"
        if sums[key] < 0 or not is_amount(amount_text):
            refused.append(RefusedRow(0, f"{key.since:%Y-%m-%d} {key.campaign or ''}: {amount_text} is no cost"))
            continue
        told.append(
            CostRecorded(
                amount=amount_text,
                currency=key.currency,
                source=key.source,
                campaign=key.campaign,
                period_start=key.since,
                period_end=key.until,
                cost_id=key.cost_id,
            )
        )
    return Costs(told, refused, left_out)


def _is_total(cell: Mapping[Target, str], row: Sequence[str]) -> bool:
    """Whether it sums up other rows (Meta's has no name of a campaign), or says nothing."""
    if cell["amount"] in _NOTHING or cell.get("campaign", "?") in _NOTHING:
        return True
    return any(each.strip().lower().startswith(_TOTALS) for each in row[:2])


def _read(cell: Mapping[Target, str], columns: CostColumns, reading: CostReading) -> tuple[Key, Decimal]:
    """The row's key and amount. Raises ValueError with what is wrong."""
    since, until = _period(cell, columns.begins, reading)
    number = cells.amount(cell["amount"], reading.decimals)
    if number is None or not is_amount(number):
        raise ValueError(f"{cell['amount'][:40]!r} is no amount such as 129.90")
    code = cell.get("currency") or columns.currency or cells.currency_beside(cell["amount"]) or reading.currency or ""
    code = cells.SYMBOLS.get(code, code.upper())
    if not is_currency(code):
        raise ValueError(f"{code[:10]!r} is no currency such as EUR")
    source = cell.get("source") or reading.source
    campaign = cell.get("campaign") if reading.by_campaign else None
    return Key(since, until, source, campaign or None, code), Decimal(number)


def _period(cell: Mapping[Target, str], begins: Target, reading: CostReading) -> tuple[datetime, datetime]:
    first = _midnight(cell[begins], reading)
    if begins == "month":
        return first, (first.replace(day=1) + timedelta(days=31)).replace(day=1)
    days = _WEEK if begins == "week" else 1
    last = _midnight(cell["last_day"], reading) if begins == "day" and cell.get("last_day") else first
    return first, max(last, first) + timedelta(days=days)  # of wall time: a day of 23 hours is a day


def _midnight(text: str, reading: CostReading) -> datetime:
    found = cells.moment(text, reading.dates, reading.zone)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no day such as 2026-01-31")
    return found.astimezone(reading.zone).replace(hour=0, minute=0, second=0, microsecond=0)
