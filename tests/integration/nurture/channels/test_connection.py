"""What a receiver may answer, and over which connection the next webhook goes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from services.nurture.channels.webhook.connection import LONGEST_ANSWER, Answered, NoAnswer
from services.nurture.channels.webhook.http_client import Line, Names, NotSent, tls_context
from tests.support.servers import listening
from tests.support.tls import certificate
from tests.support.webhook_receiver import Behave, receiving

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Server:
    """Answers each request with the next of `answers`, then with 200; `requests` by connection."""

    answers: list[bytes] = field(default_factory=list)
    requests: list[list[bytes]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[bytes] = []
        self.requests.append(mine)
        while head := await reader.readuntil(b"\r\n\r\n"):
            mine.append(head)
            answer = self.answers.pop(0) if self.answers else OK
            writer.write(answer)
            await writer.drain()
            if b"until-the-end" in answer:
                break
        writer.close()
        self.gone.set()


@asynccontextmanager
async def serving(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(list(answers))
    async with listening(server.serve, tls=tls) as server.port:
        yield server


class At(Names):
    """Every name has these addresses."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self._theirs = addresses

    async def addresses(self, _host: str, _port: int) -> list[str]:
        return list(self._theirs)


@asynccontextmanager
async def a_line(
    url: str, *, tls: ssl.SSLContext | None = None, names: Names | None = None, deadline_s: float = 10.0
) -> AsyncIterator[Line]:
    names = names or At("127.0.0.1")
    line = Line(url, names=names, tls=tls or tls_context(), allow_private=True, deadline_s=deadline_s)
    try:
        yield line
    finally:
        await line.aclose()
        names.close()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nthr\r\n2\r\nee\r\n0\r\nretry-after: 9\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\nretry-after: 9\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
CARELESS = b"HTTP/1.1 200 OK\nServer: a\x01b\nContent-Length: 2\n\nok"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CHUNKED, Answered(200, None, "three")),
        (CONTINUED, Answered(202, None, "")),
        (CARELESS, Answered(200, None, "ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answered(204, None, "")),
        (b"HTTP/1.1 429 X\r\nRetry-After: 7\r\nretry-after: 8\r\ncontent-length: 0\r\n\r\n", Answered(429, "7", "")),
    ],
)
async def test_whatever_ends_properly_keeps_the_connection(answer: bytes, expected: Answered) -> None:
    async with serving(answer) as server, a_line(f"http://one.example:{server.port}/") as line:
        assert await line.post(b"", ()) == expected
        assert await line.post(b"", ()) == Answered(200, None, "ok")
        assert [len(each) for each in server.requests] == [2]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Answered(200, None, "ok")),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil-the-end", Answered(200, None, "until-the-end")),
        (b"HTTP/1.1 101 X\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n", Answered(101, None, "")),
        (OK + b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", Answered(200, None, "ok")),
        (OK + b"and more", Answered(200, None, "ok")),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n" + b"x" * 50_000,
            Answered(200, None, "x" * LONGEST_ANSWER),
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnot a length", Answered(200, None, "ok")),
        (b"SSH-2.0-OpenSSH_9.6\r\n", NoAnswer("the answer was not HTTP, or only half of one")),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000, NoAnswer("the answer was not HTTP, or only half of one")),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
            NoAnswer("the answer was not HTTP, or only half of one"),
        ),
    ],
)
async def test_after_anything_else_the_next_webhook_has_a_new_connection(
    answer: bytes, expected: Answered | NoAnswer
) -> None:
    async with serving(answer) as server, a_line(f"http://one.example:{server.port}/") as line:
        assert await line.post(b"", ()) == expected
        assert await line.post(b"", ()) == Answered(200, None, "ok")
        assert [len(each) for each in server.requests] == [1, 1]


async def test_a_connection_that_the_receiver_has_closed_is_not_used() -> None:
    """It answers properly, and hangs up."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nuntil-the-end"
    async with serving(answer) as server, a_line(f"http://one.example:{server.port}/") as line:
        assert await line.post(b"", ()) == Answered(200, None, "until-the-end")
        await server.gone.wait()
        for _ in range(5):  # until its end has arrived
            await asyncio.sleep(0)
        assert await line.post(b"", ()) == Answered(200, None, "ok")


async def test_an_answer_to_half_of_the_request_ends_the_connection() -> None:
    """The other half would be read as the next request."""
    early = b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n"
    async with serving(early) as server, a_line(f"http://one.example:{server.port}/") as line:
        assert await line.post(bytes(20_000_000), ()) == Answered(413, None, "")
        assert await line.post(b"", ()) == Answered(200, None, "ok")
        assert len(server.requests) == 2


async def test_the_name_and_the_path_are_sent_as_http_writes_them() -> None:
    async with serving() as server:
        async with a_line(f"http://Bücher.example:{server.port}/ä b/%20?q=ü&r=[1]+%2B") as line:
            await line.post(b"{}", (("webhook-id", "one"),))
        async with a_line(f"http://[::1]:{server.port}?q") as line:
            await line.post(b"", ())
    (first,), (second,) = server.requests
    assert first.split(b"\r\n") == [
        b"POST /%C3%A4%20b/%20?q=%C3%BC&r=[1]+%2B HTTP/1.1",
        b"host: xn--bcher-kva.example:%d" % server.port,
        b"webhook-id: one",
        b"content-length: 2",
        b"",
        b"",
    ]
    assert second.split(b"\r\n")[:2] == [b"POST /?q HTTP/1.1", b"host: [::1]:%d" % server.port]


@pytest.mark.parametrize("header", [("a", "b\r\nc: d"), ("a\nb", "c"), ("a", "b\rc")])
async def test_no_header_brings_another(header: tuple[str, str]) -> None:
    async with receiving() as receiver, a_line(receiver.url()) as line:
        with pytest.raises(ValueError, match="line break"):
            await line.post(b"", (header,))
        assert receiver.received == []


async def test_of_several_addresses_the_first_that_takes_a_connection_is_used() -> None:
    async with serving() as server:
        names = At("127.0.0.9", "127.0.0.1")
        async with a_line(f"http://one.example:{server.port}/", names=names) as line:
            assert await line.post(b"", ()) == Answered(200, None, "ok")


async def test_at_once_there_are_as_many_connections_as_webhooks_and_each_gets_its_own_answer() -> None:
    async with receiving() as receiver, a_line(receiver.url()) as line:
        receiver.behave = lambda request: Behave(
            raw=b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n%02d" % int(request.headers["number"]), delay=0.05
        )
        for _ in range(2):
            replies = await asyncio.gather(*(line.post(b"", (("number", str(each)),)) for each in range(20)))
            assert replies == [Answered(200, None, f"{each:02}") for each in range(20)]


def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def _certified(own: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    return context


async def test_what_is_encrypted_is_sent_only_to_whom_the_certificate_names(tmp_path: Path) -> None:
    own, ca = certificate(tmp_path, ends_in=timedelta(days=1))
    async with serving(tls=_certified(own)) as server:
        urls: Sequence[str] = (f"https://127.0.0.1:{server.port}/", f"https://one.example:{server.port}/")
        async with a_line(urls[0], tls=_trusting(ca)) as line:
            assert [await line.post(b"", ()) for _ in range(2)] == [Answered(200, None, "ok")] * 2
        for url, tls in ((urls[0], tls_context()), (urls[1], _trusting(ca))):
            async with a_line(url, tls=tls) as line:
                assert await line.post(b"", ()) == NotSent("its certificate is not one to trust")
    assert [len(each) for each in server.requests if each] == [2]


async def test_what_is_to_be_encrypted_is_not_sent_to_one_that_does_not_encrypt() -> None:
    async with receiving() as receiver, a_line(f"https://127.0.0.1:{receiver.port}/", deadline_s=1) as line:
        assert isinstance(await line.post(b"{}", ()), NotSent)
        assert receiver.received == []
