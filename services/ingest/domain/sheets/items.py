"""The items of an order, one in each of its rows, and the margin that is known by what they cost."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import Decimals

COST: Final = "cost"  # of one piece of an item
COST_OF_GOODS: Final = "cost_of_goods"  # of the whole order


def item_of(
    row: Sequence[Any], columns: Sequence[tuple[int, str]], decimals: Decimals, wrong: list[Wrong]
) -> dict[str, Any]:
    """The item in the cells of these columns, with what a piece of it cost for `less_costs` to take out."""
    item: dict[str, Any] = {name: value for index, name in columns if (value := row[index]) != ""}
    for name in ("price", "quantity", "margin"):
        if isinstance(text := item.get(name), str):
            item[name] = cells.amount(text, decimals) or text
    if (said := item.pop(COST, "")) != "":
        if (cost := amount_in(said, decimals)) is None:
            wrong.append(no_amount(f"item.{COST}"))
        else:
            item[COST] = cost
    whole, _, rest = str(item.get("quantity", "")).partition(".")
    if whole.isdecimal() and not rest.strip("0"):
        item["quantity"] = int(whole)
    return item


def less_costs(items: Sequence[dict[str, Any]], data: dict[str, Any]) -> None:
    """Put a margin in place of costs: of each item that has a price; of the whole order where none of them has."""
    costs: list[Decimal | None] = [item.pop(COST, None) for item in items]
    for item, cost in zip(items, costs, strict=True):
        price = amount_in(item.get("price", ""))
        if cost is not None and price is not None:
            item.setdefault("margin", f"{price - cost:f}")  # what the file says goes before
    if any("price" in item or "margin" in item for item in items):
        return
    pieces = [item.get("quantity", 1) for item in items]
    amount = amount_in(data.get("amount", ""))
    known = [
        cost * each for cost, each in zip(costs, pieces, strict=True) if cost is not None and isinstance(each, int)
    ]
    if items and amount is not None and len(known) == len(items) and data.get("margin") is None:
        data["margin"] = f"{amount - sum(known):f}"


def less_cost(said: Any, data: dict[str, Any], decimals: Decimals, wrong: list[Wrong]) -> None:
    """Put the margin of the order by what all of it cost, where none is said."""
    cost, amount = amount_in(said, decimals), amount_in(data.get("amount", ""))
    if cost is None and str(said).strip():
        wrong.append(no_amount(COST_OF_GOODS))
    elif cost is not None and amount is not None and data.get("margin") is None:
        data["margin"] = f"{amount - cost:f}"


def amount_in(value: Any, decimals: Decimals = "point") -> Decimal | None:
    """The amount in a cell, or of a JSON number; None when it is none."""
    text = cells.amount(value, decimals) if isinstance(value, str) else str(value)
    try:
        number = Decimal(text or "none")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def no_amount(of: str) -> Wrong:
    """What is wrong with a cell that should hold one."""
    return Wrong(f"/{of}", "must be an amount such as 129.90")
