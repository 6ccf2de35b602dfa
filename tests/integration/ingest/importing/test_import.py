"""`firsthour import` onto a real broker: what is on the topic afterwards, and what is beside the file."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from shared import canary
from tests.support.importing import Place

LEADS = """\
Vorname;Nachname;E-Mail;Telefon;Firma;Erstellt am;Umsatzziel;Nachricht;utm_source
Ada;Lovelace;Ada@Example.com;030 12345;Engines;13.01.2026 10:00;gross;"Guten Tag,
wir hätten eine Frage";google
Grace;Hopper;grace@example.com;+44 1632 960961;Navy;14.01.2026 23:30;;;
"""


@pytest.fixture
async def place(kafka: str, topic_prefix: str, tmp_path: Path) -> Place:
    place = Place(kafka, topic_prefix, tmp_path)
    await place.make_topics()
    return place


async def test_leads_of_a_german_sheet_are_events_on_the_bulk_lane(place: Place) -> None:
    told = place.imported(place.file("leads.csv", LEADS.encode("cp1252")), "--zone", "Europe/Berlin")
    assert (told["taken"], told["refused"], told["understood"]["encoding"]) == (2, 0, "cp1252")
    found = {data.identity.email: (key, event, data) for key, (event, data) in await place.events()}
    key, event, ada = found["ada@example.com"]
    assert (event.type, event.source, event.subject) == ("lead.captured", "/sources/import", "email:ada@example.com")
    assert event.time.isoformat() == "2026-01-13T09:00:00+00:00"
    assert (ada.name, ada.campaign.source) == ("Ada Lovelace", "google")
    assert ada.message == "Guten Tag,\nwir hätten eine Frage"
    assert ada.traits == {"company": "Engines", "Umsatzziel": "gross", "phone_as_written": "030 12345"}
    assert len(key) == 32
    _, _, grace = found["grace@example.com"]
    assert grace.identity.phone == "+441632960961"


async def test_purchases_of_a_shop_are_orders_with_items_and_only_paid_ones(place: Place) -> None:
    shopify = place.file(
        "orders.csv",
        "Name,Email,Financial Status,Paid at,Currency,Total,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku\n"
        "#1,a@example.com,paid,2026-01-01 10:00:00 +0100,EUR,30.00,1,Cup,10.00,C\n#1,,,,,,2,Plate,10.00,P\n"
        "#2,b@example.com,pending,,EUR,5.00,1,Fork,5.00,F\n",
    )
    stripe = place.file(
        "payments.csv.gz",
        gzip.compress(
            "id,Amount,Currency,Created (UTC),Customer Email,Status\n"
            'ch_1,"1.234,50",eur,2026-01-02 10:00,c@example.com,Paid\n'
            'ch_2,"9,90",eur,2026-01-02 10:00,d@example.com,Failed\n'.encode("utf-16")
        ),
    )
    first, second = place.imported(shopify, "--source", "shop"), place.imported(stripe, "--source", "shop")
    assert [(told["taken"], told["left_out"], told["refused"]) for told in (first, second)] == [(1, 1, 0), (1, 1, 0)]
    found = {event.subject: (event, data) for _, (event, data) in await place.events()}
    event, order = found["email:a@example.com"]
    assert (event.type, event.source, order.order_id, order.amount) == (
        "purchase.completed", "/sources/shop", "#1", "30.00"
    )  # fmt: skip
    assert [(item.sku, item.quantity, item.price) for item in order.items] == [("C", 1, "10.00"), ("P", 2, "10.00")]
    event, charge = found["email:c@example.com"]
    assert (charge.order_id, charge.amount, charge.currency) == ("ch_1", "1234.50", "EUR")
    assert event.time.isoformat() == "2026-01-02T10:00:00+00:00"


async def test_json_lines_are_what_the_apis_take(place: Place) -> None:
    lead = {
        "email": "a@example.com",
        "traits": {"seats": 12},
        "consent": {"email": True},
        "plan": "pro",
        "Vorname": "Ada",
    }
    leads = place.file(
        "leads.jsonl", "\n".join([json.dumps(lead), "", "{no", '["list"]', '{"email": "b@example.com"}'])
    )
    told = place.imported(leads, code=1)
    assert (told["taken"], told["refused"], told["understood"]["format"]) == (2, 2, "json lines")
    visit = {
        "specversion": "1.0", "id": "visit-7", "source": "/booking", "type": "engagement.recorded",
        "time": "2026-01-01T10:00:00Z", "data": {"identity": {"email": "v@example.com"}, "kind": "meeting_booked"},
    }  # fmt: skip
    assert place.imported(place.file("events.jsonl", json.dumps(visit)))["taken"] == 1
    found = {event.subject: (event, data) for _, (event, data) in await place.events()}
    _, ada = found["email:a@example.com"]
    assert (ada.name, ada.traits, ada.consent.email) == ("Ada", {"seats": 12, "plan": "pro"}, True)
    assert found["email:v@example.com"][1].kind == "meeting_booked"
    refused = list(csv.DictReader((place.folder / "leads.jsonl.refused.csv").read_text("utf-8-sig").splitlines()))
    assert [(row["refused_line"], row["row"]) for row in refused] == [("3", "{no"), ("4", '["list"]')]


async def test_refused_rows_stand_beside_the_file_with_the_reason_and_can_be_imported_once_mended(place: Place) -> None:
    file = place.file(
        "leads.csv",
        "Kontakt,occurred_at,note\n"
        + "".join(f"p{n}@example.com,2026-01-01,x\n" for n in range(5))
        + 'secret-word,2026-01-01,"two\nlines"\nq@example.com,secret-day,y\nr@example.com,2026-01-01,y,too,many\n',
    )
    told = place.imported(file, code=1)
    assert (told["taken"], told["refused"]) == (5, 3)
    path = Path(told["refused_file"])
    assert path == place.folder / "leads.csv.refused.csv"
    assert path.stat().st_mode & 0o077 == 0
    header, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    assert header == ["refused_line", "refused_reason", "Kontakt", "occurred_at", "note"]
    assert [row[0] for row in rows] == ["7", "9", "10"]
    assert [row[1].split(":")[0] for row in rows] == ["Kontakt", "occurred_at", "row"]
    assert [row[2:] for row in rows] == [
        ["secret-word", "2026-01-01", "two\nlines"], ["q@example.com", "secret-day", "y"],
        ["r@example.com", "2026-01-01", "y", "too", "many"],
    ]  # fmt: skip
    assert not any("secret" in row[1] for row in rows)
    assert "secret" not in json.dumps(told)

    mended = path.read_text().replace("secret-word", "s@example.com").replace("secret-day", "2026-01-02")
    path.write_text(mended.replace(",too,many", ""))
    assert place.imported(path)["taken"] == 3
    assert {event.subject for _, (event, _data) in await place.events()} >= {
        "email:s@example.com",
        "email:q@example.com",
    }


async def test_the_same_file_twice_is_the_same_events(place: Place) -> None:
    rows = "".join(f"p{n}@example.com,{n % 3}\n" for n in range(500))
    file = place.file("leads.csv", "email,group\n" + rows)
    assert place.imported(file)["taken"] == 500
    first = await place.events()
    semicolons = place.file("again.csv", ("email;group\n" + rows.replace(",", ";")).encode("utf-16"))
    assert place.imported(semicolons)["taken"] == 500
    both = await place.events()
    assert len(both) == 1000
    assert len({event.id for _, (event, _data) in both}) == 500
    assert {(event.id, key) for key, (event, _data) in both} == {(event.id, key) for key, (event, _data) in first}


async def test_a_dry_run_shows_twenty_rows_as_they_will_be_stored_and_touches_nothing(place: Place) -> None:
    rows = "".join(f"Paweł {number:02},p{number:02}@example.com\n" for number in range(30))
    file = place.file("leads.csv", f"Name,email\n{rows}Nobody,nobody\n")
    done = place.run(file, "--dry-run")
    assert done.returncode == 1
    assert "30 good, 1 refused" in done.stdout
    assert [f"p{number:02}@example.com; name: Paweł {number:02}" in done.stdout for number in range(30)] == (
        [True] * 20 + [False] * 10
    )
    assert "No row starts a workflow: nothing is sent to anybody." in done.stdout
    told = json.loads(place.run(file, "--dry-run", "--follow-up", "--json").stdout)
    assert [each["workflow"] for each in told["would_start"]] == ["first-hour"]
    assert told["would_start"][0]["at_most"] == 30
    assert "mail thanks" in told["would_start"][0]["sends"]
    assert (len(told["rows"]), told["rows"][0]["data"]["name"]) == (20, "Paweł 00")
    assert sorted(path.name for path in place.folder.iterdir()) == ["leads.csv"]
    assert await place.events() == []


async def test_rows_that_do_not_say_when_are_warned_of(place: Place) -> None:
    undated = place.run(place.file("list.csv", "email\na@example.com\n"), "--dry-run")
    assert "no row says when it happened. Such a row starts no workflow" in undated.stdout
    some = place.run(place.file("some.csv", "email,date\na@example.com,\nb@example.com,2026-01-01\n"), "--dry-run")
    assert "1 of the first 2 rows do not say when it happened" in some.stdout
    orders = "Name,Email,Paid at,Total,Currency,Lineitem name\n#1,a@example.com,2026-01-01,5,EUR,Cup\n#1,,,,,Plate\n"
    assert "when it happened" not in place.run(place.file("orders.csv", orders), "--dry-run").stdout


async def test_rows_that_do_not_say_when_are_marked_unless_they_are_to_be_followed_up(place: Place) -> None:
    file = place.file("some.csv", "email,date\na@example.com,\nb@example.com,2026-01-01\n")
    place.imported(file)
    assert {data.identity.email: event.undated for _, (event, data) in await place.events()} == {
        "a@example.com": True, "b@example.com": False,
    }  # fmt: skip
    place.imported(file, "--follow-up", "--source", "again")
    assert {event.undated for _, (event, _) in await place.events() if event.source == "/sources/again"} == {False}


async def test_it_asks_before_it_begins(place: Place) -> None:
    file = place.file("orders.csv", "order id,email,amount,date\n1,a@example.com,5.00,01/02/2026\n")
    done = place.run(file, say="mdy\nEUR\nn\n")
    assert done.returncode == 1
    assert await place.events() == []
    done = place.run(file, say="dmy\nEUR\ny\n")
    assert done.returncode == 0, done.stderr
    ((_, (event, purchase)),) = await place.events()
    assert (purchase.currency, event.time.isoformat()) == ("EUR", "2026-02-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("email,date\na@example.com,01/02/2026\n", ["--yes"], "--dates dmy|mdy"),
        ("order id,email,amount\n1,a@example.com,5\n", ["--yes"], "--currency"),
        ("a,b\n1,2\n", ["--yes"], "--map email="),
        ("email\na@example.com\n", ["--yes", "--map", "name=Nowhere"], "Nowhere"),
        ("email\na@example.com\n", ["--yes", "--zone", "Berlin"], "--zone"),
        ("email\na@example.com\n", ["--yes", "--kind", "cats"], "--kind"),
        ("email,date\na@example.com,01/02/2026\n", [], "--dates dmy|mdy"),
        ("email\na@example.com\n", ["--yes", "--source", "a/b"], "--source"),
        ("email\na@example.com\n", ["--yes", "--source", canary.NAME], "the canary's name"),
        ("a@example.com,Ada\nb@example.com,Ben\n", ["--yes"], "names the columns"),
        ('[{"email": "a@example.com"}]', ["--yes"], "jq"),
        ("PK\3\4 a workbook", ["--yes"], "CSV"),
        ("email\na@example.com\n", ["--json"], "--yes"),
        ("email\na@example.com\n", [], "--yes"),
        ("", ["--yes"], "empty"),
    ],
)  # fmt: skip
async def test_wrong_use_says_what_to_say_and_sends_nothing(
    place: Place, content: str, options: list[str], said: str
) -> None:
    done = place.run(place.file("some.csv", content), *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert await place.events() == []
