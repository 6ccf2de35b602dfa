"""What advertising cost, by the headers that the platforms document: read, added up, told once."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.sheets.columns import NotUnderstood
from services.ingest.domain.sheets.costs import CostColumns, CostReading, added_up, cost_columns
from services.ingest.importing.costs import CostWishes, read_costs

# Product (page) → the file as it is exported. Each says that Spring cost 12.50 EUR on 31 January 2026, and no more.
FILES = {
    "Google Ads (support.google.com/google-ads: columns of reports)": (
        "Campaign performance report\n"
        '"January 31, 2026 - January 31, 2026"\n'
        "Day,Campaign,Ad group,Clicks,Currency code,Cost\n"
        "2026-01-31,Spring,Brand,10,EUR,10.00\n"
        "2026-01-31,Spring,Other,2,EUR,2.50\n"
        "Total: Account, --,,12,EUR,12.50\n"
    ),
    "Google Ads, as Excel takes it": "Day\tCampaign\tCurrency code\tCost\n2026-01-31\tSpring\tEUR\t12.50\n",
    "Meta Ads Manager (facebook.com/business/help: export)": (
        '"Campaign name","Day","Amount spent (EUR)","Impressions","Reporting starts","Reporting ends"\n'
        '"",2026-01-31,12.5,100,2026-01-31,2026-01-31\n'
        '"Spring",2026-01-31,12.5,100,2026-01-31,2026-01-31\n'
    ),
    "Meta Ads Manager, not by day": (
        '"Reporting starts","Reporting ends","Campaign name","Amount spent (EUR)"\n2026-01-31,2026-01-31,"Spring",12.5\n'
    ),
    "Meta Ads Manager, German": (
        '"Kampagnenname","Auswertungsstart","Auswertungsende","Ausgegebener Betrag (EUR)"\n'
        '"Spring",2026-01-31,2026-01-31,"12,50"\n'
    ),
    "LinkedIn Campaign Manager (linkedin.com/help: export reports)": (
        '"Campaign Performance Report (in UTC)"\n"Report Start: January 31, 2026"\n"Date Generated: February 1, 2026"\n\n'
        '"Start Date (in UTC)"\t"Account Name"\t"Currency"\t"Campaign Name"\t"Total Spent"\n'
        '"1/31/2026"\t"Engines"\t"EUR"\t"Spring"\t"12.50"\n'
    ),
    "Microsoft Advertising (learn.microsoft.com: report attributes)": (
        '"Gregorian date","Campaign name","Currency code","Spend"\n"1/31/2026","Spring","EUR","12.50"\n'
    ),
    "TikTok Ads Manager (ads.tiktok.com/help: export)": (
        "Campaign name,By Day,Cost,Currency\nSpring,2026-01-31,12.50,EUR\nTotal of 1 results,,12.50,EUR\n"
    ),
}


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "costs.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("product", FILES)
def test_what_a_platform_exports_is_understood(product: str, encoding: str, tmp_path: Path) -> None:
    found = read_costs(written(tmp_path, FILES[product], encoding), CostWishes("google", zone="Europe/Berlin"))
    assert found.refused == []
    (cost,) = found.told
    assert (float(cost.amount), cost.currency, cost.source, cost.campaign) == (12.5, "EUR", "google", "Spring")
    berlin = ZoneInfo("Europe/Berlin")
    assert (cost.period_start, cost.period_end) == (
        datetime(2026, 1, 31, tzinfo=berlin), datetime(2026, 2, 1, tzinfo=berlin),
    )  # fmt: skip


def test_a_month_is_a_month_and_all_campaigns_may_be_one(tmp_path: Path) -> None:
    text = "Month,Campaign,Cost\n2026-02-01,A,1.10\n2026-02-01,B,2.20\n2026-03-01,A,3.00\n"
    found = read_costs(written(tmp_path, text), CostWishes("fair", per_source=True, currency="eur"))
    assert [(each.amount, each.campaign) for each in found.told] == [("3.30", None), ("3.00", None)]
    assert found.told[0].period_end == datetime(2026, 3, 1, tzinfo=UTC)
    assert len({each.cost_id for each in found.told}) == 2


def test_what_is_wrong_in_a_row_costs_that_row_alone(tmp_path: Path) -> None:
    text = "Day,Campaign,Cost\n2026-02-30,A,1.10\n2026-02-01,B,much\n2026-02-01,C,-3.00\n9999-12-31,C,1.00\n2026-02-01,D,0.00\n"
    found = read_costs(written(tmp_path, text), CostWishes(currency="EUR"))
    assert [(each.campaign, each.amount) for each in found.told] == [("D", "0.00")], "a cost may be taken back"
    assert [each.line for each in found.refused] == [2, 3, 5, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Day,Campaign,Cost\n2026-02-01,A,1.10\n", "--currency"),
        ("Day,Campaign,Cost (EUR)\n03/04/2026,A,1.10\n", "--dates"),
        ("Day,Campaign,Cost (EUR)\n2026-02-01,A,1.100\n", "--decimal"),
        ("Campaign,Cost\nA,1.10\n", "no line names"),
        ("", "no line names"),
    ],
)
def test_what_may_be_read_in_two_ways_has_to_be_said(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(NotUnderstood, match=says):
        read_costs(written(tmp_path, text), CostWishes())


ROWS = st.lists(
    st.tuples(st.sampled_from(["2026-01-01", "2026-01-02"]), st.sampled_from(["a", "A ", "b"]), st.integers(0, 10**6)),
    max_size=20,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_every_cent_is_told_once_in_whatever_order(rows: list[tuple[str, str, int]], dice: object) -> None:
    columns = cost_columns(["Day", "Campaign", "Cost"])
    assert isinstance(columns, CostColumns)
    cells = [(n, (day, name, f"{cents / 100:.2f}")) for n, (day, name, cents) in enumerate(rows)]
    reading = CostReading(UTC, currency="EUR")
    told = added_up(columns, cells, reading).told
    assert sum(round(float(each.amount) * 100) for each in told) == sum(cents for *_, cents in rows)
    assert len({each.cost_id for each in told}) == len(told)
    dice.shuffle(cells)  # type: ignore[attr-defined]
    again = added_up(columns, cells, reading).told
    assert [(each.cost_id, each.amount) for each in again] == [(each.cost_id, each.amount) for each in told]
