"""Double opt-in through the real processes: a form's yes, the mail, the click, and one click to be left in peace."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import Mailbox
from tests.e2e.test_one_lead import contact
from tests.support.processes import Firsthour
from tests.support.waiting import until


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10) as client:
        yield client


def text_of(mail: EmailMessage) -> str:
    part = message_from_bytes(mail.as_bytes(), policy=default).get_body(("plain",))
    assert part is not None
    text: str = part.get_content()
    return text


async def test_from_a_form_to_the_click(http: httpx.Client, firsthour: Firsthour, mailbox: tuple[Mailbox, int]) -> None:
    address, box = f"{uuid4().hex[:12]}@example.com", mailbox[0]
    yes = {"email": address, "name": "Ada", "consent": "yes", "consent_wording": "Yes, write to me about this."}
    answer = http.post(f"{firsthour.url('ingest')}/f/website", data=yes, headers={"Accept": "application/json"})
    assert answer.status_code == 202, answer.text
    await until(lambda: bool(box.to(address)))
    (mail,) = box.to(address)
    before = contact(http, firsthour, address)
    assert before is not None
    assert before["proven"] is False, "anybody may have typed it"

    found = re.search(r"http://127\.0\.0\.1:8082(/c/\S+)", text_of(mail))
    assert found is not None
    link = firsthour.url("nurture") + found[1]
    assert address not in link
    for _ in range(3):
        assert http.get(link).status_code == 200  # a scanner's look
    assert http.post(link).status_code == 200
    await until(lambda: (contact(http, firsthour, address) or {}).get("proven") is True)
    await until(lambda: ((contact(http, firsthour, address) or {}).get("consent") or {}).get("email") is True)

    events = http.get(f"{firsthour.url('scoring')}/v1/contacts/{before['id']}/events", headers=firsthour.token()).text
    assert "confirmed by the link in mail" in events
    assert "Yes, write to me about this." in events

    unsubscribe = urlsplit(str(mail["List-Unsubscribe"]).strip("<>"))
    one_click = {"List-Unsubscribe": "One-Click"}
    assert http.post(f"{firsthour.url('nurture')}{unsubscribe.path}", data=one_click).status_code == 200
    await until(lambda: ((contact(http, firsthour, address) or {}).get("consent") or {}).get("email") is False)
    for name in firsthour.processes:
        assert address not in firsthour.log(name, 1000), "no address in a log"
