"""Sends a delivery as an e-mail: a real SMTP conversation over a connection that is used again.

A refusal of us (greeting, password, sender, quota) is not the message's fault: it is tried again, and the whole queue
waits. Only a refusal of the recipient or the message ends a delivery. Until the server asks for the message (354)
nothing is handed over; after that, without an answer, it may have been accepted.
"""

import asyncio
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPSenderRefused,
)

from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.sending import Begin, Result
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Deferred, Impossible, MaybeSent, NotSent
from shared.errors import Permanent
from shared.runtime.deadlines import GOODBYE_S, MAIL_ANSWER_S, MAIL_S

_OK: Final = 250
_GO_AHEAD: Final = 354
_FOR_GOOD: Final = 500
# Always about us: closing down, no such command now, authentication.
_ABOUT_US: Final = frozenset({421, 454, 502, 503, 530, 534, 535, 538})
_NOT_ASCII: Final = "5.6.7"  # RFC 6531: the address is not ASCII, and somebody on the way takes no other
# RFC 3463, 3.8: security or policy; of those in IANA's registry two are about the recipient (RFC 7293).
_POLICY: Final = re.compile(r"(?<![\d.])[45]\.7\.(\d{1,3})\b")
_OF_THE_RECIPIENT: Final = frozenset({17, 18})
_LONGEST: Final = 200  # characters of a server's answer that are kept

Compose = Callable[[StoredDelivery], EmailMessage]
"""Makes the message of a delivery. Raises Permanent when there can be none."""


class _AboutTheMail(Exception):  # noqa: N818 - reads as what happened
    """The server refuses this recipient or this message, by its code."""

    def __init__(self, code: int, said: str) -> None:
        self.code = code
        self.said = said


class _NoAnswer(Exception):  # noqa: N818 - reads as what happened
    """The message was handed over and no answer came."""


class Mail:
    """The connections to the mail server; `send` is the channel's `Send`."""

    def __init__(
        self,
        server: MailServer,
        password: str | None,
        compose: Compose,
        *,
        deadline_s: float = MAIL_S,
        answer_s: float = MAIL_ANSWER_S,
    ) -> None:
        """Nothing connects before the first message."""
        self._server = server
        self._password = password
        self._compose = compose
        self._deadline_s = deadline_s
        self._answer_s = answer_s
        self._idle: list[SMTP] = []

    async def send(self, given: StoredDelivery, begin: Begin) -> Result:
        """One attempt. Errors of the mail server are results; raises NotBegun as `begin` does."""
        try:
            message = self._compose(given)
        except Permanent as error:
            return Result(Impossible(str(error)))
        try:
            async with asyncio.timeout(self._deadline_s):
                smtp = await self._connected()
        except SMTPResponseException as error:
            return _refused_us(error)
        except (SMTPException, OSError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            return Result(NotSent(f"no connection to the mail server ({type(error).__name__})"))
        kept = False
        try:
            result = await self._hand_over(smtp, message, begin)
            kept = smtp.is_connected and not isinstance(result.outcome, NotSent | MaybeSent)
        finally:
            if not kept:
                smtp.close()
        if isinstance(result.outcome, Accepted) or await _starts_over(smtp):
            self._idle.append(smtp)
        return result

    async def _hand_over(self, smtp: SMTP, message: EmailMessage, begin: Begin) -> Result:
        """The conversation about one message; the connection is the caller's to close."""
        try:
            async with asyncio.timeout(self._deadline_s):
                refused = await self._address(smtp, message)
                if refused is not None:
                    return refused
                ready = await smtp.execute_command(b"DATA")
                if ready.code != _GO_AHEAD:
                    raise _about(ready)
            await begin()
            answer = await self._answer(smtp, message.as_bytes())
            if answer.code != _OK:
                raise _about(answer)
        except _NoAnswer as error:
            return Result(MaybeSent(f"no answer from the mail server ({error})"))
        except SMTPResponseException as error:
            return _refused_us(error)
        except _AboutTheMail as refusal:
            kind = Impossible if refusal.code >= _FOR_GOOD else Deferred
            reason, about_us = f"the mail server answered {refusal.code}", _of_policy(refusal.said)
            return Result(kind(reason), refusal.code, _readable(refusal.said), about_us=about_us)
        except (SMTPException, OSError) as error:
            return Result(NotSent(f"no answer from the mail server ({type(error).__name__})"))
        return Result(Accepted(), answer.code, _readable(answer.message))

    async def _address(self, smtp: SMTP, message: EmailMessage) -> Result | None:
        """Send sender and recipient; a result when this server cannot take such an address."""
        utf8 = bool(getattr(message.policy, "utf8", False))
        if utf8 and not await _takes_utf8(smtp):
            return Result(Impossible("the mail server accepts only ASCII addresses (no SMTPUTF8)"))
        encoding = "utf-8" if utf8 else "ascii"
        try:
            await smtp.mail(self._server.sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        except SMTPSenderRefused as error:
            if utf8 and _NOT_ASCII in error.message:
                raise _AboutTheMail(error.code, error.message) from error
            raise
        try:
            await smtp.rcpt(parseaddr(str(message["To"]))[1], encoding=encoding)
        except SMTPRecipientRefused as error:
            raise _about(SMTPResponse(error.code, error.message)) from error
        return None

    async def _answer(self, smtp: SMTP, body: bytes) -> SMTPResponse:
        """Hand the message over and wait for the answer. Raises _NoAnswer without one."""
        protocol = smtp.protocol
        if protocol is None:
            raise ConnectionResetError  # it hung up before anything was handed over
        protocol.write(_dotted(body))
        try:
            return await protocol.read_response(timeout=self._answer_s)
        except SMTPResponseException:
            raise _NoAnswer("unreadable") from None
        except (SMTPException, OSError) as error:
            raise _NoAnswer(type(error).__name__) from error

    async def _connected(self) -> SMTP:
        """A working connection: the server may have closed an idle one."""
        while self._idle:
            smtp = self._idle.pop()
            answers = False
            try:
                answers = smtp.is_connected and (await smtp.noop()).code == _OK
            except (SMTPException, OSError):
                pass
            finally:
                if not answers:
                    smtp.close()
            if answers:
                return smtp
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "smtps",
            start_tls=server.tls == "starttls",
            username=server.user,
            password=self._password,
            timeout=self._deadline_s,
        )
        try:
            await smtp.connect()
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def aclose(self) -> None:
        """Say goodbye on the idle connections."""
        while self._idle:
            smtp = self._idle.pop()
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await smtp.quit()
            except (SMTPException, OSError):
                smtp.close()


async def _takes_utf8(smtp: SMTP) -> bool:
    if smtp.is_ehlo_or_helo_needed:
        try:
            await smtp.ehlo()
        except SMTPHeloError:  # a server that knows no extensions
            return False
    return smtp.supports_extension("smtputf8")


async def _starts_over(smtp: SMTP) -> bool:
    """Whether the connection can be used again after a refusal; else it is closed."""
    over = False
    try:
        async with asyncio.timeout(GOODBYE_S):
            over = (await smtp.rset()).code == _OK
    except (SMTPException, OSError):
        pass
    finally:
        if not over:
            smtp.close()
    return over


def _about(answer: SMTPResponse) -> Exception:
    """The outcome of a refusal of the recipient or the message."""
    if answer.code in _ABOUT_US:
        return SMTPResponseException(answer.code, answer.message)
    return _AboutTheMail(answer.code, answer.message)


def _refused_us(error: SMTPResponseException) -> Result:
    reason = f"the mail server refuses us: it answered {error.code}"
    return Result(NotSent(reason), _status(error), _readable(error.message), about_us=True)


def _of_policy(said: str) -> bool:
    """Whether the server refuses us by policy: block lists, SPF, DKIM, DMARC, no reverse name, a rate."""
    found = _POLICY.search(said)
    return found is not None and int(found[1]) not in _OF_THE_RECIPIENT


def _status(error: SMTPResponseException) -> int | None:
    return error.code if error.code > 0 else None


def _dotted(body: bytes) -> bytes:
    """The message on the wire: lines that begin with a dot get another, and a lone dot ends it."""
    lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b"\r\n.\r\n"


def _readable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:_LONGEST]
