"""The links in mails, on a real nurture: who may use them, what a scanner's look does, what a click does, and once."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from services.nurture.domain.mail.links import Link, link_key, token_of
from shared.clock import new_id, utc_now
from shared.events.types import Consent
from shared.events.updates import ContactView
from shared.secrets import ensure_key_secret
from tests.support.mail_server import ScriptedMailServer, scripted_mail_server
from tests.support.nurture_service import Nurture, a_contact, a_nurture, endpoints
from tests.support.waiting import until

NEWSLETTER = """
workflow: newsletter
trigger: {on: lead.captured, max_age: 60m}
reentry: always
steps:
  - send: {email: welcome, purpose: newsletter}
"""
TEMPLATES = {
    "confirm.txt": "Subject: Is it yours?\n{{ links.confirm }}\n",
    "welcome.txt": "Subject: Welcome\nHello {{ contact.name }}\n",
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedMailServer]:
    async with scripted_mail_server() as server:
        yield server


@pytest.fixture
async def nurture(
    kafka: str, database: str, topic_prefix: str, server: ScriptedMailServer, tmp_path: Path
) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        text = endpoints({}, smtp_port=server.port)
        links = text.replace('"from"', '"links": "http://127.0.0.1:1", "from"')
        nurture.configure(links, NEWSLETTER, templates=TEMPLATES)
        async with nurture.running():
            yield nurture


def sent(server: ScriptedMailServer) -> list[Any]:
    return [message_from_bytes(raw, policy=default) for raw in server.messages]


def path_of(mail: Any) -> str:
    found = re.search(r"http://127\.0\.0\.1:1(/c/\S+)", mail.get_content())
    assert found is not None
    return found[1]


def unsubscribing(mail: Any) -> str:
    header: str = mail["List-Unsubscribe"]
    return header.removeprefix("<http://127.0.0.1:1").removesuffix(">")


async def signed_up(nurture: Nurture, server: ScriptedMailServer, contact: ContactView | None = None) -> Any:
    """A stranger's sign-up, and the mail that asks."""
    contact = contact or a_contact(email=f"{new_id()}@example.com")
    before = len(server.messages)
    await nurture.feed(contact, trust="public", consent=Consent(email=True, wording="Yes, the newsletter."))
    await until(lambda: len(server.messages) > before)
    mail = sent(server)[-1]
    await until(lambda: _delivered(nurture, before + 1))
    return mail


async def _delivered(nurture: Nurture, count: int) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM deliveries WHERE state = 'delivered'") >= count)


async def words(nurture: Nurture) -> list[tuple[str, str, bool]]:
    rows = await nurture.rows("SELECT subject, purpose, given FROM consents ORDER BY subject, purpose")
    return [(row["subject"], row["purpose"], row["given"]) for row in rows]


async def status(nurture: Nurture, method: str, path: str) -> int:
    return (await nurture.request(method, path, headers={"Authorization": ""})).status_code


async def test_a_click_proves_the_address_and_what_waited_goes(nurture: Nurture, server: ScriptedMailServer) -> None:
    asking = await signed_up(nurture, server)
    assert asking["Subject"] == "Is it yours?"
    address, path = str(asking["To"]), path_of(asking)
    assert address not in path

    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):  # scanners open every link, twice
        assert await status(nurture, method, path) in (200, 405)
    assert await words(nurture) == []
    assert await nurture.one("SELECT count(*) FROM deliveries") == 1

    page = await nurture.request("GET", path, headers={"Accept-Language": "de-AT,de;q=0.9"})
    assert "Ist das Ihre E-Mail-Adresse?" in page.text
    assert address not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")

    assert await status(nurture, "POST", path) == 200
    assert await words(nurture) == [(address, "", True)], "the yes that waited"
    await until(lambda: len(server.messages) == 2)
    assert sent(server)[1]["Subject"] == "Welcome"

    assert await status(nurture, "POST", path) == 200, "again, and nothing more"
    answers = await asyncio.gather(*(status(nurture, "POST", path) for _ in range(5)))
    assert set(answers) == {200}
    assert await nurture.one("SELECT count(*) FROM deliveries") == 2


async def test_a_withdrawal_is_by_one_click_and_no_old_link_undoes_it(
    nurture: Nurture, server: ScriptedMailServer
) -> None:
    asking = await signed_up(nurture, server)
    address, confirm = str(asking["To"]), path_of(asking)
    assert await status(nurture, "POST", confirm) == 200
    await until(lambda: len(server.messages) == 2)
    withdraw = unsubscribing(sent(server)[1])
    assert asking["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    page = await nurture.request("GET", withdraw)
    assert page.text.count("<button>") == 2, "this purpose, or all"
    assert (address, "newsletter", False) not in await words(nurture)
    one_click = await nurture.request("POST", withdraw, data={"List-Unsubscribe": "One-Click"})
    assert (one_click.status_code, one_click.headers.get("set-cookie")) == (200, None)
    assert (address, "newsletter", False) in await words(nurture), "at once"

    before = await words(nurture)
    assert await status(nurture, "POST", confirm) == 200
    assert await words(nurture) == before, "a click that is played again is no new yes"
    assert await status(nurture, "POST", withdraw) == 200
    assert await words(nurture) == before

    contact = a_contact(email=address, proven=True)
    await nurture.feed(contact)
    await until(lambda: _refused(nurture, "the recipient does not want such e-mail"))
    assert len(server.messages) == 2

    for odd in ("maybe", "", "%00", "1&all=2", "x" * 5000):
        assert await status(nurture, "POST", f"{withdraw}?all={odd}") == 200, "a page, never a word on parameters"
    assert (address, "", False) not in await words(nurture)
    assert await status(nurture, "POST", f"{withdraw}?all=1") == 200
    assert (address, "", False) in await words(nurture)


async def _refused(nurture: Nurture, reason: str) -> bool:
    return bool(await nurture.rows("SELECT id FROM deliveries WHERE reason = :reason", reason=reason))


async def test_an_address_is_asked_once_though_strangers_name_it_again(
    nurture: Nurture, server: ScriptedMailServer
) -> None:
    contact = a_contact(email="victim@example.com")
    await signed_up(nurture, server, contact)
    for each in range(3):
        other = a_contact(email="victim@example.com", name=f"Mallory {each}")
        await nurture.feed(other, trust="public")
    await until(lambda: _all_refused(nurture, 3))
    assert len(server.messages) == 1


async def _all_refused(nurture: Nurture, count: int) -> bool:
    reason = "the address has been asked to confirm already"
    return bool(await nurture.one("SELECT count(*) FROM deliveries WHERE reason = :reason", reason=reason) == count)


async def test_nobody_else_s_link_opens_anything(nurture: Nurture, server: ScriptedMailServer) -> None:
    asking = await signed_up(nurture, server)
    path, withdraw = path_of(asking), unsubscribing(asking)
    (row,) = await nurture.rows("SELECT d.id, e.contact_id FROM deliveries d JOIN enrolments e ON e.id = enrolment_id")
    key = link_key(ensure_key_secret(nurture.folder / "state").encode())
    soon, past = utc_now() + timedelta(days=1), utc_now() - timedelta(seconds=1)
    mine = Link("confirm", row["id"], row["contact_id"], soon)
    assert await status(nurture, "GET", f"/c/{token_of(mine, key)}") == 200, "the right one works"
    wrong = {
        "changed": path[:-5] + ("A" if path[-5] != "A" else "B") + path[-4:],
        "of the other kind": path.replace("/c/", "/u/"),
        "an unsubscribe link": withdraw.replace("/u/", "/c/"),
        "expired": f"/c/{token_of(replace(mine, expires_at=past), key)}",
        "another key's": f"/c/{token_of(mine, link_key(b'guessed'))}",
        "of a mail that was never sent": f"/c/{token_of(Link('confirm', new_id(), row['contact_id'], soon), key)}",
        "nothing": "/c/x",
        "long": "/c/" + "A" * 5000,
        "nul": "/c/%00",
    }
    for name, each in wrong.items():
        assert await status(nurture, "POST", each) == 410, name
    assert await words(nurture) == []
    assert await nurture.one("SELECT count(*) FROM deliveries WHERE confirmed_at IS NOT NULL") == 0


async def test_a_withdrawal_works_when_the_mail_is_not_kept_any_more(
    nurture: Nurture, server: ScriptedMailServer
) -> None:
    contact = a_contact(email="long-ago@example.com")
    withdraw = unsubscribing(await signed_up(nurture, server, contact))
    await nurture.execute("DELETE FROM attempts")
    await nurture.execute("DELETE FROM deliveries")
    assert await status(nurture, "GET", withdraw) == 200
    assert await status(nurture, "POST", withdraw) == 200
    assert await words(nurture) == [(f"contact:{contact.id}", "", False)]
