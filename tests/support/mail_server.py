"""A mail server that says what a test wants it to say, at each stage of a real SMTP conversation."""

import asyncio
import email
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from uuid import UUID

from tests.support.servers import apart, listening

WELL = {
    "greeting": "220 ready",
    "EHLO": "250-here\r\n250 SMTPUTF8",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go ahead",
    "message": "250 queued",
    "RSET": "250 ok",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}
CUT = ""  # it hangs up instead of answering


@dataclass
class ScriptedMailServer:
    """What came in, and what to say at each stage: `says` replaces the usual answer, `delays` are seconds before it."""

    port: int = 0
    says: dict[str, str] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    messages: list[bytes] = field(default_factory=list)  # handed over whole, whatever was answered
    stages: list[str] = field(default_factory=list)
    open: int = 0  # connections now

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError), closing(writer):
                await self._talk(reader, writer)
        finally:
            self.open -= 1

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stage = "greeting"
        while await self._say(stage, reader, writer) and stage != "QUIT":
            if stage == "DATA" and self._answer(stage).startswith("354"):
                self.messages.append((await reader.readuntil(b"\r\n.\r\n"))[:-3])
                stage = "message"
            else:
                stage = (await reader.readuntil(b"\r\n")).split()[0].decode().upper()

    def _answer(self, stage: str) -> str:
        return self.says.get(stage, WELL.get(stage, "500 what?"))

    async def _say(self, stage: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.stages.append(stage)
        end = asyncio.get_running_loop().time() + self.delays.get(stage, 0)
        while asyncio.get_running_loop().time() < end:
            if reader.at_eof():
                return False
            await asyncio.sleep(0.01)
        answer = self._answer(stage)
        if answer == CUT:
            writer.transport.abort()
            return False
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def scripted_mail_server() -> AsyncIterator[ScriptedMailServer]:
    """One on a free port of this machine."""
    scripted = ScriptedMailServer()
    async with listening(scripted.serve) as scripted.port:
        yield scripted


def mail_server_apart() -> AbstractContextManager[ScriptedMailServer]:
    """One in a thread of its own, for tests that block while they start and kill processes."""
    return apart(scripted_mail_server)


def handed_over(server: ScriptedMailServer) -> Counter[UUID]:
    """How often each delivery's message came in whole."""
    ids = [str(email.message_from_bytes(message)["Message-ID"]) for message in list(server.messages)]
    return Counter(UUID(each.strip("<>").partition("@")[0]) for each in ids)
