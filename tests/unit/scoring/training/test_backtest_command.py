"""`firsthour backtest`, as a person and as a program calls it."""

import json
import re
import shlex
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.scoring.training.customers.file import given_back

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def test_leads_for_a_program() -> None:
    ran = run(
        EXAMPLES / "past-leads.csv", "--outcome", "converted", "--time", "created", "--drop", "Sales Notes", "--json"
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["rows"] == 1500
    assert found["in_time_order"] is True
    assert {"base_rate", "auc", "log_loss", "brier", "ece", "leakage"} <= set(found)
    assert 0.6 < found["auc"] < 0.9
    assert found["log_loss"] < found["compared"]["base rate"]["log_loss"]
    assert [leak["column"] for leak in found["leakage"]] == ["lead_id"]


def test_leads_for_a_person(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = run(EXAMPLES / "past-leads.csv", "--outcome", "converted", "--report", page)
    assert ran.exit_code == 0, ran.output
    assert "Sales Notes: " in ran.stdout
    assert "by cross-validation" in ran.stdout
    html = page.read_text()
    assert "Too good to be true?" in html
    assert "<svg" in html


def test_purchases(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = run(EXAMPLES / "past-purchases.csv", "--report", page, "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["kind"] == "purchases"
    # The customers of the example were drawn from a known population.
    assert found["purchases"]["predicted"] == pytest.approx(found["purchases"]["actual"], rel=0.15)
    assert found["value"]["predicted"] == pytest.approx(found["value"]["actual"], rel=0.2)
    assert [group["repeats"] for group in found["groups"]][:2] == ["0", "1"]
    assert "came" in page.read_text()
    assert "repeat purchases" in run(EXAMPLES / "past-purchases.csv", "--report", page).stdout


@pytest.mark.parametrize(
    ("head", "row"),
    [
        # As shops and others export them; each with something that looks like the column and is not.
        ("InvoiceNo,Quantity,InvoiceDate,UnitPrice,Customer ID", "{n},2,{us} 10:15,{half},{who}"),
        ("order_id;customer_id;customer_unique_id;birth_date;order_purchase_timestamp;payment_value",
         "{n};{n}x;{who};1980-01-01;{iso} 10:00:00;{value}"),
        ("Name,Email,Financial Status,Paid at,Total,Shipping,Created at", "#{n},{who}@x.de,paid,{iso},{value},5,{iso}"),
        ("Kunde;Datum;Betrag", "{who};{de};{comma}"),
        ("who,when,what it came to,total", "{who},{iso},x,{value}"),
        ("", "{nr}  {compact}  2  {value}.50"),  # no header at all
    ],
)  # fmt: skip
def test_the_columns_of_purchases_are_found(tmp_path: Path, head: str, row: str) -> None:
    dice, rows = Random(4), list[str]()
    for who in range(60):
        for _ in range(dice.randint(1, 6)):
            day, value = date(2024, 1, 1) + timedelta(days=dice.randrange(700)), dice.randint(2, 90) * 10
            rows.append(
                row.format(n=len(rows), who=f"c{who}", iso=day, us=f"{day:%m/%d/%Y}", de=f"{day:%d.%m.%Y}",
                           nr=f"{who:05}", compact=f"{day:%Y%m%d}", value=value, half=value / 2, comma=f"{value},50")
            )  # fmt: skip
    file = tmp_path / "orders.csv"
    file.write_text("\n".join([head, *rows] if head else rows) + "\n", encoding="utf-8")
    ran = run(file, "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["rows"] == len(rows)
    assert 40 <= found["customers"] <= 60
    assert found["value"]["actual"] / found["purchases"]["actual"] == pytest.approx(460, rel=0.25)


def test_money_that_went_back_is_taken_off_the_latest_purchase() -> None:
    days = [date(2026, 1, n) for n in range(1, 6)]
    orders = [(days[3], -25.0), (days[0], 10.0), (days[1], 20.0), (days[4], 5.0)]
    assert given_back(orders) == [(days[0], 5.0), (days[1], 0.0), (days[4], 5.0)]
    assert given_back([(days[0], -5.0)]) == []


def test_what_a_file_says_is_only_text(tmp_path: Path) -> None:
    dice = Random(1)
    rows = "\n".join(f"{dice.choice('ab')},{dice.randint(0, 1)}" for _ in range(80))
    file = tmp_path / "leads.csv"
    file.write_text(f"<script>alert(1)</script>,won\n{rows}\n")
    page = tmp_path / "page.html"
    assert run(file, "--outcome", "won", "--report", page).exit_code == 0
    assert "<script>alert" not in page.read_text()


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("a,won\nx,1\n", ["--outcome", "nothing"], "no column 'nothing'"),
        ("a,won\nx,1\n", ["--outcome", "won"], "too few"),
        ("a,won\nx,red\ny,green\nz,blue\n", ["--outcome", "won"], "must be yes or no"),
        ("a,won\n" + "x,1\ny,0\n" * 30, ["--outcome", "won", "--time", "a"], "no days or times"),
        ("a,won\n" + "x,1\ny,0\n" * 30, ["--outcome", "won", "--drop", "b"], "no column 'b'"),
        ("won\n" + "1\n0\n" * 30, ["--outcome", "won"], "no column is left"),
        ("a,b\nx,1\n", [], "no column looks like the customer"),
        ("email,date,total\nx@y.z,2026-01-01,5\n", [], "too few"),
        ("email,date,total\nx@y.z,red,5\n", [], "no column looks like the time"),
        ("email,date,total\nx@y.z,red,5\n", ["--time", "date"], "no days or times"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, text: str, options: list[str], says: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text(text)
    ran = run(file, *options, "--json")
    assert ran.exit_code == 1
    assert says in ran.stderr


def test_refunds_and_free_orders_are_no_purchases(tmp_path: Path) -> None:
    start = date(2025, 1, 1)
    rows = [
        f"c{n}@example.com,{start + timedelta(days=7 * n + 50 * k)},{0 if n % 2 else 20}"
        for n in range(40)
        for k in range(4)
    ]
    file = tmp_path / "orders.csv"
    file.write_text("Email,Created at,Total\n" + "\n".join(rows) + "\n")
    found = json.loads(run(file, "--json").stdout)
    assert found["customers"] <= 20


def test_the_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "backtest.md").read_text()
    commands = re.findall(r"```sh\n\.venv/bin/firsthour backtest (.*)\n```", page)
    assert len(commands) == 3
    said = ""
    for command in commands:
        arguments = shlex.split(command)
        arguments[0] = str(EXAMPLES.parents[1] / arguments[0])
        ran = run(*arguments, "--report", tmp_path / "page.html")
        assert ran.exit_code == 0, ran.output
        said += ran.stdout
    for shown in re.findall(r"```text\n(.*?)```", page, re.DOTALL):
        assert shown.strip() in said
