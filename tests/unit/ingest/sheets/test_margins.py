"""What an imported order earned: by columns of margins or costs, of the whole, of its lines, or of one piece."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.ingest.domain.fact import Refused
from services.scoring.domain.customer.orders import bought
from shared.events.types import PurchaseCompleted
from tests.unit.ingest.sheets.test_sheets import understood

SHOP = "Order ID,Email,Currency,Total,Lineitem quantity,Lineitem name,Lineitem price"
WHOLE = "Order ID,Email,Currency,Total"


def order(tmp_path: Path, content: str, **wishes: object) -> PurchaseCompleted:
    """All rows of the file as one order."""
    sheet, questions, reader, rows = understood(tmp_path, content, **wishes)
    assert (sheet.kind, questions) == ("purchases", [])
    fact = reader.from_rows(rows)
    assert fact is not None
    assert isinstance(fact.data, PurchaseCompleted)
    return fact.data


def earned(data: PurchaseCompleted) -> tuple[str | None, list[str | None]]:
    return data.margin, [item.margin for item in data.items]


@pytest.mark.parametrize(
    ("column", "first", "second", "margin", "of_items"),
    [
        ("Cost per item", "6.50", "11.00", None, ["3.50", "-1.00"]),
        ("Unit cost", "", "4", None, [None, "6.00"]),
        ("Einkaufspreis", "EUR 6.50", "0", None, ["3.50", "10.00"]),
        ("Lineitem margin", "3.50", "2", None, ["3.50", "2"]),
        ("Margin", "12.00", "", "12.00", [None, None]),
        ("Margin", "12.00", "7.50", "19.50", [None, None]),
        ("Margin", "7.50", "7.50", "15.00", [None, None]),
        ("Cost of goods", "20.00", "", "10.00", [None, None]),
        ("COGS", "12.00", "7.50", "10.50", [None, None]),
        ("Cost", "12.00", "7.50", None, [None, None]),
        ("Margin %", "40", "40", None, [None, None]),
    ],
)
def test_margins_and_costs_are_of_what_the_file_says_them(
    tmp_path: Path, column: str, first: str, second: str, margin: str | None, of_items: list[str | None]
) -> None:
    rows = f"7,a@example.com,EUR,30.00,1,Cup,10.00,{first}\n7,,,,2,Plate,10.00,{second}\n"
    assert earned(order(tmp_path, f"{SHOP},{column}\n{rows}")) == (margin, of_items)


@pytest.mark.parametrize(
    ("margins", "margin"),
    [(("12.00", "12.00", "12.00"), "12.00"), (("5.00", "4.00", "3.00"), "12.00"), (("5.00", "4.00", ""), None)],
)
def test_what_is_repeated_with_the_total_is_the_orders_and_what_differs_is_added_up(
    tmp_path: Path, margins: tuple[str, ...], margin: str | None
) -> None:
    rows = "".join(f"7,a@example.com,EUR,30.00,1,Cup,10.00,{each}\n" for each in margins)
    assert order(tmp_path, f"{SHOP},Profit\n{rows}").margin == margin


def test_margins_with_a_decimal_comma_are_added_up(tmp_path: Path) -> None:
    head = SHOP.replace(",", ";")
    rows = "7;a@example.com;EUR;1.030,00;1;Cup;10,00;1.002,25\n7;;;;2;Plate;10,00;7,50\n"
    assert order(tmp_path, f"{head};Marge\n{rows}", decimals="comma").margin == "1009.75"


@pytest.mark.parametrize(
    ("head", "row", "margin"),
    [
        (f"{WHOLE},Cost of goods", "20", "10.00"),
        (f"{WHOLE},Margin,Cost of goods", "12,20", "12"),
        (f"{WHOLE},Margin,Cost of goods", ",20", "10.00"),
        (f"{WHOLE},Cost price", "4.00", "26.00"),
        (f"{WHOLE},Quantity,Cost price", "3,4.00", "18.00"),
        (f"{WHOLE},Quantity,Cost price", "3,", None),
        (f"{WHOLE},Margin,Quantity,Cost price", "9,3,4.00", "9"),
    ],
)
def test_an_order_in_one_row_earned_its_amount_less_its_cost(
    tmp_path: Path, head: str, row: str, margin: str | None
) -> None:
    assert order(tmp_path, f"{head}\n7,a@example.com,EUR,30.00,{row}\n").margin == margin


def test_lines_that_say_prices_of_all_their_pieces_leave_the_margin_to_the_order(tmp_path: Path) -> None:
    head = "order-id,buyer-email,sku,quantity-purchased,currency,item-price,shipping-price,cost-price"
    rows = "7,a@example.com,S1,2,EUR,60.00,5.00,20.00\n7,a@example.com,S2,1,EUR,40.00,0.00,30.00\n"
    data = order(tmp_path, f"{head}\n{rows}")
    assert (data.amount, *earned(data)) == ("105.00", "35.00", [None, None])


def test_what_a_cost_is_called_may_be_said(tmp_path: Path) -> None:
    content = f"{WHOLE},Cost\n7,a@example.com,EUR,30.00,20\n"
    assert order(tmp_path, content, map=("cost_of_goods=Cost",)).margin == "10.00"


@pytest.mark.parametrize("column", ["Cost per item", "Cost of goods", "Lineitem margin", "Margin"])
def test_what_is_no_amount_is_refused_by_the_name_of_its_column(tmp_path: Path, column: str) -> None:
    content = f"{SHOP},{column}\n7,a@example.com,EUR,30.00,1,Cup,10.00,much\n"
    *_, reader, rows = understood(tmp_path, content, decimals="point")
    with pytest.raises(Refused) as refused:
        reader.from_rows(rows)
    assert [each.at for each in refused.value.wrong] == [column]


def test_a_line_of_json_may_say_costs_too(tmp_path: Path) -> None:
    *_, reader, _ = understood(tmp_path, f"{WHOLE},cost\n7,a@example.com,EUR,30.00,20\n", map=("cost_of_goods=cost",))
    said: dict[str, Any] = {"Order ID": "7", "Email": "a@example.com", "Currency": "EUR", "Total": 30, "cost": 20.5}
    fact = reader.from_object(said)
    assert fact is not None
    assert msgspec.to_builtins(fact.data)["margin"] == "9.5"


def test_the_margin_of_an_order_is_the_sum_over_its_pieces(tmp_path: Path) -> None:
    rows = "7,a@example.com,EUR,30.00,1,Cup,10.00,6.50\n7,,,,2,Plate,10.00,9.00\n"
    assert bought(order(tmp_path, f"{SHOP},Cost per item\n{rows}"), 0.0).margin == 550
