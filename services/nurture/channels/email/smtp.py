"""Sends a delivery as an e-mail: a real SMTP conversation over a connection that is used again.

Until the message has been handed over, a failure means "not sent"; after that, with no answer, it may have been
accepted, and is not repeated blindly.
"""

import asyncio
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import parseaddr
from enum import Enum
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.nurture.config import MailServer
from services.nurture.deliveries.attempts import Attempted
from services.nurture.domain.retry import Accepted, Impossible, MaybeSent, NotSent, Outcome
from services.nurture.store.deliveries import Given
from shared import clock
from shared.errors import Permanent

DEADLINE_S: Final = 12.0
_OK: Final = 250
_FOR_GOOD: Final = 500
_LONGEST: Final = 200  # characters of a server's answer that are kept

Compose = Callable[[Given], EmailMessage]
"""Makes the message of a delivery. Raises Permanent when there can be none."""


class _Phase(Enum):
    BEFORE = "before"  # nothing of the message has gone out
    HANDED_OVER = "handed over"


class Mail:
    """The connections to the mail server; `send` is the lane's."""

    def __init__(self, server: MailServer, password: str | None, compose: Compose) -> None:
        """Nothing connects before the first message."""
        self._server = server
        self._password = password
        self._compose = compose
        self._idle: list[SMTP] = []

    async def send(self, given: Given) -> Attempted:
        """One attempt. Raises nothing of the mail server's."""
        try:
            message = self._compose(given)
        except Permanent as error:
            return Attempted(given, Impossible(str(error)), clock.utc_now())
        outcome, status, said = await self._hand_over(message)
        return Attempted(given, outcome, clock.utc_now(), status, said)

    async def _hand_over(self, message: EmailMessage) -> tuple[Outcome, int | None, str | None]:
        phase = _Phase.BEFORE
        smtp: SMTP | None = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                smtp = await self._connected()
                body = message.as_bytes()
                utf8 = bool(getattr(message.policy, "utf8", False))
                encoding = "utf-8" if utf8 else "ascii"
                await smtp.mail(self._server.sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
                await smtp.rcpt(parseaddr(str(message["To"]))[1], encoding=encoding)
                phase = _Phase.HANDED_OVER
                answer = await smtp.data(body)
        except SMTPResponseException as error:
            said = _readable(error.message)
            if smtp is not None:
                await self._again(smtp)
            kind = Impossible if error.code >= _FOR_GOOD else NotSent
            return kind(f"the mail server answered {error.code}"), error.code, said
        except (SMTPException, OSError, ssl.SSLError) as error:  # TimeoutError is an OSError
            if smtp is not None:
                smtp.close()
            reason = f"no answer from the mail server ({type(error).__name__})"
            return (MaybeSent if phase is _Phase.HANDED_OVER else NotSent)(reason), None, None
        except BaseException:
            if smtp is not None:
                smtp.close()
            raise
        self._idle.append(smtp)
        return Accepted(), answer.code, _readable(answer.message)

    async def _connected(self) -> SMTP:
        """A connection that answers: one that was used before may have been closed by the server meanwhile."""
        while self._idle:
            smtp = self._idle.pop()
            try:
                if smtp.is_connected and (await smtp.noop()).code == _OK:
                    return smtp
            except (SMTPException, OSError):
                pass
            smtp.close()
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "smtps",
            start_tls=server.tls == "starttls",
            username=server.user,
            password=self._password,
            timeout=DEADLINE_S,
        )
        await smtp.connect()
        return smtp

    async def _again(self, smtp: SMTP) -> None:
        """Keep the connection after a refusal, if the server lets us start over."""
        try:
            async with asyncio.timeout(2):
                await smtp.rset()
        except (SMTPException, OSError):
            smtp.close()
        else:
            self._idle.append(smtp)

    async def aclose(self) -> None:
        """Say goodbye on the idle connections."""
        while self._idle:
            smtp = self._idle.pop()
            try:
                async with asyncio.timeout(1):
                    await smtp.quit()
            except (SMTPException, OSError):
                smtp.close()


def _readable(text: str) -> str:
    return text.replace("\x00", "\ufffd")[:_LONGEST]
