"""Further facts of a row, beside its lead or purchase: refunds, and opt-outs from e-mail."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.checks import Fields, Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import DateOrder, Decimals
from services.ingest.domain.sheets.columns import Column, plain_name
from services.ingest.domain.sheets.opt_outs import OptOuts
from shared.events.identity import Identity
from shared.events.types import ConsentChanged, LeadCaptured, PurchaseCompleted, PurchaseRefunded

REFUNDED: Final = "refunded"
REFUNDED_AT: Final = "refunded_at"
ADJUSTED: Final = "adjusted"  # what of the amount is left after refunds; nothing or 0 where there was none (Etsy)
_YES_OR_NO: Final = frozenset({"refunded", "isrefunded", "erstattet"})  # 1 is no amount there
_ALL_OF_IT: Final = "fullyrefunded"  # Gumroad: beside it, the amount is that of a partial refund alone


class Beside:
    """Reads it from the rows of one sheet."""

    def __init__(self, columns: Sequence[Column], *, dates: DateOrder | None, decimals: Decimals, zone: tzinfo) -> None:
        at = {column.taken_as: index for index, column in enumerate(columns)}
        self._columns = columns
        self._refunded, self._refunded_at, self._adjusted = at.get(REFUNDED), at.get(REFUNDED_AT), at.get(ADJUSTED)
        named = [plain_name(column.name) for column in columns]
        self._all_of_it = named.index(_ALL_OF_IT) if _ALL_OF_IT in named else None
        self._opt_outs = OptOuts([column.taken_as for column in columns])
        self._dates, self._decimals, self._zone = dates, decimals, zone
        self.any = self._refunded is not None or self._adjusted is not None or self._opt_outs.any

    def read(self, rows: Sequence[Sequence[Any]], fact: Fact) -> list[Fact]:
        """The facts beside `fact`. Raises Refused when a column cannot be read."""
        if isinstance(fact.data, PurchaseCompleted):
            return self._refund(rows, fact, fact.data)
        if isinstance(fact.data, LeadCaptured) and self._opt_outs.any:
            return self._opt_out(rows[0], fact)
        return []

    def _refund(self, rows: Sequence[Sequence[Any]], fact: Fact, order: PurchaseCompleted) -> list[Fact]:
        """What went back in all, up to the export: what is known of that already is not counted again."""
        if self._adjusted is not None and self._refunded is None:
            return self._adjustment(rows, fact, order, self._adjusted)
        written = "" if self._refunded is None else str(_first(rows, self._refunded)).strip()
        if not written or self._refunded is None:
            return []
        column = self._columns[self._refunded]
        found = cells.amount(written, self._decimals)
        if written.lower() in cells.YES and (found is None or plain_name(column.name) in _YES_OR_NO):
            found = order.amount
        if found is None:
            raise Refused([Wrong(column.name, "must be an amount such as 129.90")])
        if self._all_of_it is not None and str(_first(rows, self._all_of_it)).strip().lower() in cells.YES:
            found = order.amount
        return self._went_back(rows, fact, order, found.lstrip("-"))

    def _adjustment(self, rows: Sequence[Sequence[Any]], fact: Fact, order: PurchaseCompleted, at: int) -> list[Fact]:
        written = str(_first(rows, at)).strip()
        left = cells.amount(written, self._decimals)
        if written and left is None:
            raise Refused([Wrong(self._columns[at].name, "must be an amount such as 129.90")])
        if left is None or not 0 < Decimal(left) < Decimal(order.amount):
            return []
        return self._went_back(rows, fact, order, str(Decimal(order.amount) - Decimal(left)))

    def _went_back(self, rows: Sequence[Sequence[Any]], fact: Fact, order: PurchaseCompleted, found: str) -> list[Fact]:
        if not found.strip("0."):
            return []
        refund = PurchaseRefunded(
            identity=order.identity, order_id=order.order_id, amount=found, currency=order.currency, total=True
        )
        at = "" if self._refunded_at is None else _first(rows, self._refunded_at)
        time = self._moment(at) or fact.time
        return [Fact("purchase.refunded", fact.identity, refund, time, f"refunds of {order.order_id}: {found}")]

    def _opt_out(self, row: Sequence[Any], fact: Fact) -> list[Fact]:
        """The opt-out with its own time: the lead's may be before a later yes.

        A column that only says yes counts as of now.
        """
        moments = [moment for index in self._opt_outs.named(row) if (moment := self._moment(row[index])) is not None]
        found = []
        for channel, (given, index) in self._opt_outs.said(row).items():
            if given:
                continue
            proof = proof_of(self._columns[index])
            said = ConsentChanged(identity=fact.identity, channel=channel, given=False, proof=proof)
            time = max(moments, default=None) if channel == "email" else None
            name = f"{fact.sender_id}\nopted out" + ("" if channel == "email" else f" of {channel}")
            found.append(Fact("consent.changed", fact.identity, said, time, name))
        return found

    def _moment(self, cell: Any) -> datetime | None:
        text = str(cell).strip()
        return cells.moment(text, self._dates, self._zone) if len(text) > len("1") else None


def refund_of(data: dict[str, Any], *, went_back: bool) -> Fact | None:
    """What a row says that is money going back, and the order that it was of; None for any other.

    `went_back`: its type says so, and no column names the order: it is of the payment that the row is about.
    """
    of, amount = str(data.pop("refund_of", "")).strip(), data.get("amount")
    if went_back and isinstance(amount, str):
        of, amount = str(data.pop("order_id", "")).strip(), f"-{amount.lstrip('-')}"
    if not of or not isinstance(amount, str) or not amount.startswith("-"):
        return None
    fields = Fields({**data, "refund_of": of, "amount": amount.removeprefix("-")})
    order, back, currency = (
        fields.text("refund_of"),
        fields.amount("amount"),
        fields.required(fields.currency, "currency"),
    )
    time, own = fields.time("occurred_at"), fields.text("order_id")
    if fields.wrong or order is None or back is None or currency is None:
        raise Refused(fields.wrong)
    who = Identity(order=order)
    refund = PurchaseRefunded(identity=who, order_id=order, amount=back, currency=currency)
    return Fact("purchase.refunded", who, refund, time, f"refund:{own or f'{order} {time} {back}'}")


def proof_of(column: Column) -> str:
    """Which column says that somebody opted out."""
    return f"column {column.name} of an import"[:500]


def _first(rows: Sequence[Sequence[Any]], index: int) -> Any:
    return next((row[index] for row in rows if row[index] != ""), "")
