"""uvicorn's HTTP protocol, with one write for each answer and little of each connection in memory."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.problems import CONTENT_TYPE, Problem, encode_problem

_FINAL: Final = tuple(b"HTTP/1.1 %d" % hundred for hundred in (2, 3, 4, 5))
_READ_AT_ONCE: Final = 32_768  # uvloop would bring eight times that, for each connection that waits its turn
_LONGEST_HEAD: Final = 32_768  # the parser itself would take headers until the memory is full
_TOO_LONG: Final = encode_problem(Problem(431, "The address and the headers of the request are too long"))
_REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
) % (CONTENT_TYPE.encode(), len(_TOO_LONG), _TOO_LONG)


def http_protocol() -> Callable[..., asyncio.BufferedProtocol]:
    """What uvicorn makes for each connection of one server; all of them read into one buffer, one after the other."""
    buffer = memoryview(bytearray(_READ_AT_ONCE))

    def make(**connection: Any) -> _Reader:
        return _Reader(OneWrite(**connection), buffer)

    return make


class _Reader(asyncio.BufferedProtocol):
    """Hands on what comes in, a little at a time."""

    def __init__(self, http: "OneWrite", buffer: memoryview) -> None:
        self._http = http
        self._buffer = buffer
        self.connection_lost = http.connection_lost  # type: ignore[method-assign]
        self.pause_writing = http.pause_writing  # type: ignore[method-assign]
        self.resume_writing = http.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._http.connection_made(transport)  # type: ignore[arg-type]  # uvloop's own is no asyncio.Transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """They are there."""
        self._http.data_received(bytes(self._buffer[:nbytes]))


class OneWrite(HttpToolsProtocol):
    """On a transport that keeps the head of an answer until there is something to go with it.

    What is read without a head, a piece of a body or a request having ended is kept by the parser: so much and no more.
    """

    _kept = 0  # bytes since one of them ended
    _ended = False  # one of them, in what is being read
    _too_long = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """The connection is there."""
        super().connection_made(transport)
        self.transport = _Gathering(transport)

    def data_received(self, data: bytes) -> None:
        """The next bytes of requests."""
        if self._too_long:
            return
        self._ended = False
        super().data_received(data)
        self._kept = 0 if self._ended else self._kept + len(data)
        if self._kept > _LONGEST_HEAD and not self._too_long:
            self._refuse()

    def on_headers_complete(self) -> None:
        """The head is whole. It may have come in one piece with what was before it or is after it."""
        self._ended = True
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > _LONGEST_HEAD:
            self._too_long = True
            raise ValueError  # which ends the parsing, and comes back as `send_400_response`
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._ended = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._ended = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too much of it."""
        if self._too_long:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self._too_long = True
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_response_complete(self) -> None:
        """The answer is whole. One without a body (to HEAD) has its head still here."""
        self.transport.flush()  # type: ignore[attr-defined]  # ours, since connection_made
        super().on_response_complete()


class _Gathering(asyncio.Transport):
    """The transport of one connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn writes nothing else
        """Now, or with the next write when it is the head of an answer."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head + data)
        elif data.startswith(_FINAL):  # but no "100 Continue": that one is waited for
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is kept."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head)

    def close(self) -> None:
        """Write what is kept, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._head = None
        self._transport.abort()
