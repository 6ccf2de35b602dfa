"""What the field sends (tests/field), through the real processes to a contact, a value or a mail.

The amounts are with scoring.yaml as shipped: a purchase of 100.00 EUR is worth 35.00.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.clock import utc_now
from shared.secrets import ensure_state_secrets
from tests.e2e.conftest import Mailbox
from tests.support import senders
from tests.support.processes import Firsthour, installed
from tests.support.stack import Stack, fresh_database, fresh_prefix
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

FIELD = Path(__file__).parents[1] / "field"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SOURCES = """
sources:
  website: {kind: form, keys: [env:WEBSITE_KEY], country: GB}
  shop: {kind: api, keys: [env:SHOP_KEY]}
  secondshop: {kind: api, keys: [env:SECOND_KEY]}
  app: {kind: segment, keys: [env:APP_KEY], trust: trusted}
  shopify: {kind: shopify, secrets: [env:SHOP_SECRET]}
  history: {kind: api, keys: [env:HISTORY_KEY], orders_of: shopify}
  stripe: {kind: stripe, secrets: [env:SHOP_SECRET]}
  payments: {kind: api, keys: [env:PAYMENTS_KEY], orders_of: stripe}
  list:
    kind: generic
    secrets: [env:LIST_SECRET]
    signature: {scheme: token, path: true}
    events:
      - when: {/type: unsubscribe}
        type: consent.changed
        fields: {email: /data/email, channel: email, given: false, proof: /data/action}
"""


class World:
    """An installation with shops, forms and lists, and what comes of what they send."""

    def __init__(self, firsthour: Firsthour, mailbox: Mailbox, http: httpx.Client) -> None:
        self.firsthour, self.mailbox, self.http = firsthour, mailbox, http

    def send(self, path: str, *, key: str | None = None, code: int = 202, **given: Any) -> None:
        headers = given.pop("headers", {}) | ({} if key is None else self.firsthour.key(key))
        answer = self.http.post(f"{self.firsthour.url('ingest')}{path}", headers=headers, **given)
        assert answer.status_code == code, answer.text

    def form(self, body: bytes) -> None:
        self.send("/f/website", content=body.strip(), headers=FORM | {"Accept": "application/json"})

    def hook(self, kind: str, document: Any, topic: str = "") -> None:
        body = json.dumps(document).encode()
        headers = senders.signed(kind, body, self.firsthour.secret("SHOP_SECRET"))
        if topic:
            headers["X-Shopify-Topic"] = topic
        self.send(f"/hooks/{kind}", content=body, headers=headers | {"Content-Type": "application/json"}, code=200)

    def imported(self, name: str, source: str) -> None:
        done = self.firsthour.command("import", str(FIELD / name), "--source", source, "--yes", "--currency", "EUR")
        assert done.returncode == 0, done.stdout + done.stderr

    def contacts(self, **query: str) -> list[dict[str, Any]]:
        url = f"{self.firsthour.url('scoring')}/v1/contacts"
        answer = self.http.get(url, params=query, headers=self.firsthour.token())
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def contact(self, email: str, **expected: Any) -> dict[str, Any]:
        """The one contact with this address, once it is as expected; `value` is the customer's, `mails` the consent."""
        seen: list[dict[str, Any]] = []

        def as_expected() -> bool:
            seen[:] = self.contacts(email=email)
            if len(seen) != 1:
                return False
            shown = seen[0] | {"value": seen[0]["customer_value"]["amount"], "mails": seen[0]["consent"].get("email")}
            return all(shown[name] == value for name, value in expected.items())

        try:
            await until(as_expected, 60, every_s=0.2)
        except AssertionError:
            raise AssertionError(f"{email} is {seen}, not {expected}") from None
        return seen[0]

    async def everything_read(self) -> None:
        """Until what was sent before this has become a contact, on each lane."""
        self.send("/v1/leads", key="SHOP_KEY", json={"email": "last@example.com", "message_id": str(utc_now())})
        await self.contact("last@example.com")


def now_in(name: str) -> Any:
    """A document of the folder, as if of now."""
    now = utc_now()
    text = (FIELD / name).read_text().replace('"NOW (at most 28 days old)"', '"NOW"')
    if name.startswith("stripe"):
        return json.loads(text.replace('"NOW"', str(int(now.timestamp()))))
    return json.loads(text.replace('"NOW"', f'"{now.isoformat()}"'))


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIELD / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def world(
    stack: Stack, receiver: Receiver, mailbox: tuple[Mailbox, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("field")
    firsthour = Firsthour("", "", "", folder, receiver.port, mailbox[1])  # makes the folder of the configuration
    (firsthour.config / "sources.yaml").write_text(SOURCES)
    ensure_state_secrets(firsthour.state, ["SHOP_SECRET", "LIST_SECRET"])  # the senders' own
    with (
        fresh_database(stack) as database,
        fresh_prefix(stack) as prefix,
        installed(stack.kafka, database, prefix, folder, receiver_port=receiver.port, smtp_port=mailbox[1]) as running,
        httpx.Client(timeout=20) as http,
    ):
        yield World(running, mailbox[0], http)


async def test_letters_and_numbers_of_forms_and_names_of_files(world: World) -> None:
    world.form((FIELD / "windows-1252.urlencoded").read_bytes())
    world.form(b"email=called@example.com&" + (FIELD / "callback.urlencoded").read_bytes())
    world.imported("names-de.csv", "spring-fair")
    await world.contact("joerg.cp@example.com", name="Jörg Müller")
    await world.contact("called@example.com", phone="+447700900123")
    await world.contact("nm-csv@example.com", name="Anna Müller")


async def test_what_is_no_identity_joins_nobody(world: World) -> None:
    for each in lines("no-user-id.jsonl"):
        world.send("/v1/identify", key="APP_KEY", json=each, code=200)
    for name in ("switchboard.jsonl", "placeholder-address.jsonl"):
        for each in lines(name):
            world.send("/v1/leads", key="WEBSITE_KEY", json=each)
    alice, bob = (
        await world.contact("m1a@example.com", name="Alice"),
        await world.contact("m1b@example.com", name="Bob"),
    )
    assert alice["id"] != bob["id"]
    erika = await world.contact("erika.m2@example.com", name="Erika Berg")
    frank = await world.contact("frank.m2@example.com", name="Frank Tal")
    assert erika["id"] != frank["id"]
    for phone, name in (("+447700900201", "Rob"), ("+447700900202", "Sue")):
        await until(partial(lambda phone: len(world.contacts(phone=phone)) == 1, phone), 30)
        (found,) = world.contacts(phone=phone)
        assert (found["name"], found["email"]) == (name, None)
    await until(lambda: all(world.mailbox.to(f"{who}.m2@example.com") for who in ("erika", "frank")), 30)
    assert [len(world.mailbox.to(f"{who}.m2@example.com")) for who in ("erika", "frank")] == [1, 1]
    runs = world.http.get(f"{world.firsthour.url('nurture')}/v1/enrolments?limit=200", headers=world.firsthour.token())
    enrolled = [run["contact_id"] for run in runs.json()["items"]]
    assert {enrolled.count(each["id"]) for each in (erika, frank)} == {1}


async def test_the_same_number_of_two_shops_is_two_orders(world: World) -> None:
    first, second = lines("order-777.jsonl")
    world.send("/v1/purchases", key="SHOP_KEY", json=first)
    world.send("/v1/purchases", key="SECOND_KEY", json=second)
    await world.contact("p1@example.com", value="49.00", purchases=2)
    said = {"identity": {"email": "p1@example.com"}, "order_id": "777", "amount": "40.00", "currency": "EUR"}
    event = {"specversion": "1.0", "id": "r1", "source": "/x", "type": "purchase.refunded", "data": said}
    world.send("/v1/events", key="SECOND_KEY", json=event, headers={"Content-Type": "application/cloudevents+json"})
    await world.contact("p1@example.com", value="35.00")


async def test_a_shop_s_export_and_its_webhooks_speak_of_the_same_orders(world: World) -> None:
    world.imported("shopify-orders.csv", "history")
    await world.contact("p2@example.com", value="35.00", purchases=1)
    await world.contact("p2b@example.com", value="17.50")
    await world.contact("p2c@example.com", value="0.00")
    world.hook("shopify", now_in("shopify-order-paid.json") | {"updated_at": utc_now().isoformat()}, "orders/paid")
    world.hook("shopify", now_in("shopify-refund.json"), "refunds/create")
    await world.contact("p2b@example.com", value="0.00")
    await world.everything_read()
    await world.contact("p2@example.com", value="35.00", purchases=1)


async def test_a_payment_provider_s_export_and_its_webhooks_speak_of_the_same_payments(world: World) -> None:
    world.imported("stripe-payments.csv", "payments")
    await world.contact("p2s@example.com", value="42.00", purchases=1)
    await world.contact("p2t@example.com", value="17.50")
    await world.contact("p2u@example.com", value="0.00")
    world.hook("stripe", now_in("stripe-same-payment.json"))
    world.hook("stripe", now_in("stripe-test-mode.json"))
    bought, back = now_in("stripe-guest-refund.json")
    world.hook("stripe", bought)
    await world.contact("p7@example.com", value="70.00")
    world.hook("stripe", back)
    await world.contact("p7@example.com", value="0.00")
    await world.everything_read()
    await world.contact("p2s@example.com", value="42.00", purchases=1)
    assert not world.contacts(email="p4@example.com"), "test mode is nobody's money"


async def test_who_opted_out_is_not_mailed(world: World) -> None:
    who = ["opt1@example.com", "quit@example.com", "w2b@example.com", "mc.field@example.com"]
    agreed = {
        "id": 4242,
        "email": who[2],
        "email_marketing_consent": {"state": "subscribed", "consent_updated_at": "2026-11-01T10:00:00Z"},
    }
    world.hook("shopify", agreed | {"updated_at": utc_now().isoformat()}, "customers/update")
    await world.contact(who[2], mails=True)
    change = now_in("shopify-consent.json")
    world.hook("shopify", change, change.pop("_topic"))
    for name in ("opted-out.csv", "opted-out-list-export.csv"):
        world.imported(name, "lists")
    at = f"{world.firsthour.url('ingest')}/hooks/list/{world.firsthour.secret('LIST_SECRET')}"
    assert world.http.get(at, params={"challenge": "abc"}).text == "abc"
    body = (FIELD / "list-provider-unsubscribe.urlencoded").read_bytes().strip()
    assert world.http.post(at, content=body, headers=FORM).status_code == 200
    for each in who:
        await world.contact(each, mails=False)
        world.send("/v1/leads", key="SHOP_KEY", json={"email": each, "message": "hello again"})
    world.send("/v1/leads", key="SHOP_KEY", json={"email": "wants-mail@example.com"})
    await until(lambda: world.mailbox.to("wants-mail@example.com") != [], 30)
    assert [each for each in who if world.mailbox.to(each)] == []


ZONES = ("Europe/Berlin", "America/Los_Angeles", "America/New_York", "America/Los_Angeles", None, "Asia/Tokyo")


async def test_zones_are_read_as_people_and_programs_write_them(world: World, receiver: Receiver) -> None:
    said = (FIELD / "zones.txt").read_text().split("\n")[: len(ZONES)]
    for number, zone in enumerate(said):
        lead = {"email": f"zone{number}@example.com", "traits": {"time_zone": zone}}
        world.send("/v1/leads", key="SHOP_KEY", json=lead)
    found: dict[str, str | None] = {}

    def all_told() -> bool:
        for each in list(receiver.received):
            contact = json.loads(each.body).get("data", {}).get("contact", {})
            found[contact.get("email")] = contact.get("time_zone")
        return all(f"zone{number}@example.com" in found for number in range(len(ZONES)))

    await until(all_told, 30)
    assert [found[f"zone{number}@example.com"] for number in range(len(ZONES))] == list(ZONES)


def test_a_broken_template_is_found_before_anybody_is_mailed(world: World) -> None:
    broken = world.firsthour.config / "templates" / "broken.txt"
    broken.write_bytes((FIELD / "broken-template.txt").read_bytes())
    try:
        done = world.firsthour.command("check", check=False)
        assert done.returncode == 1
        assert "broken.txt:" in done.stdout + done.stderr
    finally:
        broken.unlink()
