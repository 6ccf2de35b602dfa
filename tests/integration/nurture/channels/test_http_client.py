import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from services.nurture.channels.webhook.connection import LONGEST_ANSWER, Answered, NoAnswer
from services.nurture.channels.webhook.http_client import Line, Names, NotSent, Refused, tls_context
from tests.support.webhook_receiver import HALF, HALF_BODY, RESET, Behave, receiving, status

ROOT = Path(__file__).parents[4]
HEADERS: Sequence[tuple[str, str]] = (("content-type", "application/json"), ("webhook-id", "one"))


@asynccontextmanager
async def a_line(
    url: str, *, allow_private: bool = True, deadline_s: float = 5.0, names: Names | None = None
) -> AsyncIterator[Line]:
    names = names or Names()
    line = Line(url, names=names, tls=tls_context(), allow_private=allow_private, deadline_s=deadline_s)
    try:
        yield line
    finally:
        await line.aclose()
        names.close()


async def test_the_bytes_and_the_name_arrive_as_given() -> None:
    async with receiving() as receiver, a_line(f"http://localhost:{receiver.port}/a?b=c") as line:
        reply = await line.post(b'{"a": 1}', HEADERS)
        again = await line.post(b"{}", HEADERS)
        assert reply == again == Answered(200, None, "ok")
        first = receiver.received[0]
        assert (first.path, first.body) == ("/a?b=c", b'{"a": 1}')
        assert first.headers["host"] == f"localhost:{receiver.port}"
        assert first.headers["webhook-id"] == "one"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
async def test_what_resolves_to_this_machine_is_refused_unless_allowed(host: str) -> None:
    async with receiving() as receiver, a_line(f"http://{host}:{receiver.port}/", allow_private=False) as line:
        reply = await line.post(b"{}", HEADERS)
        assert isinstance(reply, Refused)
        assert receiver.received == []


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with receiving() as receiver, a_line(receiver.url()) as line:
        receiver.answers([status(302, f"location: {receiver.url('/other')}")])
        reply = await line.post(b"{}", HEADERS)
        assert isinstance(reply, Answered)
        assert reply.status == 302
        assert [r.path for r in receiver.received] == ["/hook"]


async def test_an_answer_is_read_up_to_its_cap() -> None:
    async with receiving() as receiver, a_line(receiver.url()) as line:
        receiver.answers([status(200, body=b"x\x00" * 200_000)])
        reply = await line.post(b"{}", HEADERS)
        assert isinstance(reply, Answered)
        assert len(reply.excerpt.encode()) == LONGEST_ANSWER
        assert "\x00" not in reply.excerpt
        assert isinstance(await line.post(b"{}", HEADERS), Answered)


async def test_a_status_counts_though_the_body_breaks() -> None:
    async with receiving() as receiver, a_line(receiver.url()) as line:
        receiver.answers([HALF_BODY, status(429, "retry-after: 7")])
        assert await line.post(b"{}", HEADERS) == Answered(200, None, "half")
        assert await line.post(b"{}", HEADERS) == Answered(429, "7", "")


@pytest.mark.parametrize("behaviour", [RESET, HALF, Behave(delay=30)])
async def test_without_a_status_the_receiver_may_have_it(behaviour: Behave) -> None:
    async with receiving() as receiver, a_line(receiver.url(), deadline_s=0.5) as line:
        receiver.answers([behaviour])
        assert isinstance(await line.post(b"{}", HEADERS), NoAnswer)
        assert isinstance(await line.post(b"{}", HEADERS), Answered)


async def test_a_dripping_body_ends_at_the_deadline_with_its_status() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with suppress(ConnectionError), closing(writer):
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, a_line(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", deadline_s=0.5) as line:
        started = asyncio.get_running_loop().time()
        reply = await line.post(b"", HEADERS)
        assert isinstance(reply, Answered)
        assert asyncio.get_running_loop().time() - started < 3


async def test_a_closed_port_was_never_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with a_line(f"http://127.0.0.1:{taken.getsockname()[1]}/") as line:
            assert isinstance(await line.post(b"{}", HEADERS), NotSent)


async def test_a_name_that_does_not_exist_was_never_sent() -> None:
    async with a_line("http://does-not-exist.invalid/", deadline_s=20) as line:
        assert isinstance(await line.post(b"{}", HEADERS), NotSent)


class Counting(Names):
    """Says how often a name was looked up."""

    looked = 0

    async def addresses(self, host: str, port: int) -> list[str]:
        self.looked += 1
        return await super().addresses(host, port)


async def test_a_name_is_looked_up_again_once_nobody_is_there_and_else_is_remembered() -> None:
    names = Counting()
    async with receiving() as receiver, a_line(f"http://localhost:{receiver.port}/", names=names) as line:
        for _ in range(3):
            assert isinstance(await line.post(b"{}", HEADERS), Answered)
    assert names.looked == 1
    names = Counting()
    async with a_line("http://localhost:9/", names=names) as line:
        for _ in range(3):
            assert isinstance(await line.post(b"{}", HEADERS), NotSent)
    assert names.looked == 3, "it may have moved"


async def test_one_that_breaks_off_in_the_middle_of_the_body_may_have_it() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with server, a_line(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as line:
        assert isinstance(await line.post(bytes(1_000_000), HEADERS), NoAnswer)


async def test_a_connection_that_does_not_open_was_never_sent() -> None:
    """A queue of connections that is full: the system answers no further one."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        async with a_line(f"http://127.0.0.1:{listening.getsockname()[1]}/", deadline_s=30) as line:
            assert isinstance(await line.post(b"{}", HEADERS), NotSent)


POSTS = """
import asyncio
from services.nurture.channels.webhook.http_client import Line, Names, tls_context

async def main():
    line = Line("http://127.0.0.1:9/", names=Names(), tls=tls_context(), allow_private=True)
    print(type(await line.post(b"{}", ())).__name__)
    await line.aclose()

asyncio.run(main())
"""


async def test_no_proxy_of_the_environment_is_between_us_and_the_address_that_was_checked() -> None:
    async with receiving() as proxy:
        environment = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), f"http://127.0.0.1:{proxy.port}")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", POSTS, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(child.communicate(), 60)
        assert (said, proxy.received) == (b"NotSent\n", [])
