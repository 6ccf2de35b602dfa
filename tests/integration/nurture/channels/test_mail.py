"""What a mail server may say at each stage of a real conversation, and what becomes of the mail."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.email.smtp import Mail
from services.nurture.channels.sending import NotBegun, Result
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Deferred, Impossible, MaybeSent, NotSent
from tests.support.mail_server import CUT, ScriptedMailServer, scripted_mail_server
from tests.support.waiting import until
from tests.unit.nurture.builders import a_given


@pytest.fixture
async def server() -> AsyncIterator[ScriptedMailServer]:
    async with scripted_mail_server() as server:
        yield server


def compose(given: StoredDelivery) -> EmailMessage:
    address = given.target if "@" in given.target else "ada@example.com"
    message = EmailMessage(SMTP.clone(utf8=not address.isascii()))
    message["From"], message["To"], message["Subject"] = "hello@example.com", address, "Thank you"
    message.set_content("Dear Ada,\n.\n.. we thank you.\n")
    return message


class Sender:
    """Mail to the scripted server, and how often sending began."""

    def __init__(self, server: ScriptedMailServer, **given: Any) -> None:
        user = "ada" if given.pop("log_in", False) else None
        tls = given.pop("tls", "none")
        described = MailServer("127.0.0.1", server.port, tls, user, None, "hello@example.com", "Ada", 1)
        self.server = server
        self.mail = Mail(described, "secret" if user else None, compose, **{"deadline_s": 5, "answer_s": 5} | given)
        self.began: list[int] = []  # how many messages the server had then

    async def begin(self) -> None:
        self.began.append(len(self.server.messages))

    async def send(self, **changes: Any) -> Result:
        return await self.mail.send(a_given(**changes), self.begin)


async def test_the_server_gets_the_message_as_it_was_written(server: ScriptedMailServer) -> None:
    sender = Sender(server)
    for number in range(2):
        result = await sender.send()
        assert result == Result(Accepted(), 250, "queued")
        assert server.messages[number].endswith(b"Dear Ada,\r\n..\r\n... we thank you.\r\n")
    assert sender.began == [0, 1], "noted before it left"
    assert server.stages.count("greeting") == 1
    await sender.mail.aclose()
    await until(lambda: server.open == 0)


US = [
    ("greeting", "554 no service here"),
    ("greeting", "421 too busy"),
    ("AUTH", "535 5.7.8 bad password"),
    ("AUTH", "454 4.7.0 not now"),
    ("MAIL", "530 5.7.0 log in first"),
    ("MAIL", "550 5.7.1 daily quota exceeded"),
    ("MAIL", "452 too many"),
    ("RCPT", "530 5.7.0 log in first"),
    ("RCPT", "421 closing"),
    ("DATA", "503 bad sequence"),
    ("DATA", "421 closing"),
    ("message", "421 closing"),
    *((stage, CUT) for stage in ("greeting", "AUTH", "MAIL", "RCPT", "DATA")),
]


@pytest.mark.parametrize(("stage", "says"), US)
async def test_what_it_says_of_us_is_no_fault_of_the_mail(server: ScriptedMailServer, stage: str, says: str) -> None:
    server.says = {"EHLO": "250-here\r\n250 AUTH PLAIN", stage: says}
    sender = Sender(server, log_in=stage == "AUTH")
    result = await sender.send()
    assert isinstance(result.outcome, NotSent), result
    assert result.status == (int(says[:3]) if says else None)
    assert result.about_us == bool(says), "a broken connection says nothing of us"
    await until(lambda: server.open == 0)  # the connection is closed, whenever it failed
    server.says = {"EHLO": "250-here\r\n250 AUTH PLAIN"}
    assert isinstance((await sender.send()).outcome, Accepted), "and then it goes"


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "message"])
@pytest.mark.parametrize(("says", "kind"), [("550 5.1.1 no such mailbox", Impossible), ("451 try later", Deferred)])
async def test_what_it_says_of_the_recipient_or_the_message_is_about_this_mail(
    server: ScriptedMailServer, stage: str, says: str, kind: type
) -> None:
    server.says = {stage: says}
    sender = Sender(server)
    result = await sender.send()
    assert (type(result.outcome), result.status, result.about_us) == (kind, int(says[:3]), False)
    assert len(sender.began) == (stage == "message")
    server.says = {}
    assert isinstance((await sender.send()).outcome, Accepted)
    assert server.stages.count("greeting") == 1, "on the same connection"


@pytest.mark.parametrize("stage", ["RCPT", "message"])
@pytest.mark.parametrize(
    ("says", "about_us"),
    [
        ("550 5.7.1 blocked by our list", True), ("550 5.7.23 SPF says no", True), ("451 4.7.1 greylisted", True),
        ("554 5.7.26 no DMARC", True), ("550 5.7.17 the mailbox has a new owner", False), ("554 5.2.2 full", False),
        ("550 mailbox 15.7.12 unknown", False),
    ],
)  # fmt: skip
async def test_a_policy_refuses_us_and_not_the_recipient(
    server: ScriptedMailServer, stage: str, says: str, about_us: bool
) -> None:
    """RFC 3463, 3.8, and https://www.iana.org/assignments/smtp-enhanced-status-codes: X.7.y."""
    server.says = {stage: says}
    assert (await Sender(server).send()).about_us == about_us


@pytest.mark.parametrize("says", [CUT, "what?"])
async def test_only_what_was_handed_over_may_have_been_accepted(server: ScriptedMailServer, says: str) -> None:
    server.says = {"message": says}
    sender = Sender(server)
    assert isinstance((await sender.send()).outcome, MaybeSent)
    assert sender.began == [0]


async def test_a_server_that_thinks_before_it_asks_for_the_message_has_nothing(server: ScriptedMailServer) -> None:
    server.delays = {"DATA": 30}
    sender = Sender(server, deadline_s=0.5)
    assert isinstance((await sender.send()).outcome, NotSent)
    assert sender.began == []
    assert server.messages == []


async def test_a_slow_answer_to_the_message_is_waited_for(server: ScriptedMailServer) -> None:
    server.delays = {"message": 1.5}
    assert isinstance((await Sender(server, deadline_s=0.5).send()).outcome, Accepted)
    assert isinstance((await Sender(server, answer_s=0.2).send()).outcome, MaybeSent)


async def test_what_may_not_begin_is_not_handed_over(server: ScriptedMailServer) -> None:
    async def refuse() -> None:
        raise NotBegun

    sender = Sender(server)
    with pytest.raises(NotBegun):
        await sender.mail.send(a_given(), refuse)
    await until(lambda: server.open == 0)
    assert server.messages == []
    assert isinstance((await sender.send()).outcome, Accepted)


async def test_a_send_that_is_cancelled_leaves_no_connection(server: ScriptedMailServer) -> None:
    sender = Sender(server)
    for stage in ("greeting", "EHLO", "RCPT", "message"):
        server.delays = {stage: 30}
        server.stages.clear()
        sending = asyncio.create_task(sender.send())
        await until(lambda: stage in server.stages)  # noqa: B023 - awaited before it changes
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await until(lambda: server.open == 0)


@pytest.mark.parametrize(
    "says", [{"EHLO": "250 here"}, {"EHLO": "502 no", "HELO": "250 here"}, {"MAIL": "550 5.6.7 address"}]
)
async def test_a_server_that_takes_no_such_address_says_so_of_this_mail(
    server: ScriptedMailServer, says: dict[str, str]
) -> None:
    server.says = says
    sender = Sender(server)
    assert isinstance((await sender.send(target="jörg@example.com")).outcome, Impossible)
    server.says = {key: value for key, value in says.items() if key != "MAIL"}
    assert isinstance((await sender.send()).outcome, Accepted)


async def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew(server: ScriptedMailServer) -> None:
    sender = Sender(server)
    await sender.send()
    server.says = {"NOOP": "421 idle too long"}
    assert isinstance((await sender.send()).outcome, Accepted)
    assert server.stages.count("greeting") == 2


@pytest.mark.parametrize("tls", ["starttls", "smtps"])
async def test_to_a_server_that_does_not_encrypt_nothing_is_said_where_that_was_asked_for(
    server: ScriptedMailServer, tls: str
) -> None:
    server.says["EHLO"] = "250-here\r\n250 AUTH PLAIN LOGIN"
    sender = Sender(server, log_in=True, tls=tls)
    result = await sender.send()
    assert isinstance(result.outcome, NotSent)
    assert (sender.began, server.messages) == ([], [])
    assert set(server.stages) <= {"greeting", "EHLO", "HELO", "QUIT"}, "no password, no address"


async def test_after_a_refusal_the_server_is_told_that_the_next_mail_is_another(server: ScriptedMailServer) -> None:
    sender = Sender(server)
    server.says["RCPT"] = "550 no such user"
    assert isinstance((await sender.send()).outcome, Impossible)
    del server.says["RCPT"]
    assert (await sender.send()).outcome == Accepted()
    refused = server.stages.index("RCPT")
    assert server.stages[refused + 1] == "RSET", "it would add to the one before"
    assert server.stages.count("greeting") == 1
    await sender.mail.aclose()


async def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_mail(server: ScriptedMailServer) -> None:
    sender = Sender(server, answer_s=0.2)
    server.delays["message"] = 0.6
    assert isinstance((await sender.send()).outcome, MaybeSent)
    server.delays.clear()
    server.says["RCPT"] = "550 no such user"
    assert isinstance((await sender.send()).outcome, Impossible)
    assert server.stages.count("greeting") == 2, "on a connection of its own"
    await sender.mail.aclose()
