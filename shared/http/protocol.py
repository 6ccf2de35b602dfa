"""uvicorn's HTTP protocol with one write per response and little memory per connection."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.open_connections import OpenConnections
from shared.http.problems import CONTENT_TYPE, Problem, encode_problem

WHOLE: Final = "firsthour.whole"  # in a scope: the whole request is here, nothing of it has to be waited for
_FINAL: Final = tuple(b"HTTP/1.1 %d" % hundred for hundred in (2, 3, 4, 5))
_READ_AT_ONCE: Final = 32_768  # uvloop would allocate eight times as much for each waiting connection
_LONGEST_HEAD: Final = 32_768  # the parser itself has no limit
_TOO_LONG: Final = encode_problem(Problem(431, "The address and the headers of the request are too long"))
_REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
) % (CONTENT_TYPE.encode(), len(_TOO_LONG), _TOO_LONG)


def http_protocol(most_connections: int) -> Callable[..., asyncio.BufferedProtocol]:
    """The protocol factory of one server; all its connections read into one shared buffer, in turn."""
    buffer = memoryview(bytearray(_READ_AT_ONCE))
    open_connections = OpenConnections(most_connections)

    def make(**connection: Any) -> _Reader:
        return _Reader(OneWrite(open_connections, **connection), buffer)

    return make


class _Reader(asyncio.BufferedProtocol):
    """Passes on received bytes, a little at a time."""

    def __init__(self, http: "OneWrite", buffer: memoryview) -> None:
        self._http = http
        self._buffer = buffer
        self.connection_lost = http.connection_lost  # type: ignore[method-assign]
        self.pause_writing = http.pause_writing  # type: ignore[method-assign]
        self.resume_writing = http.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._http.connection_made(transport)  # type: ignore[arg-type]  # uvloop's own is no asyncio.Transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._http.data_received(bytes(self._buffer[:nbytes]))


class OneWrite(HttpToolsProtocol):
    """Writes through a transport that holds the head of a response back until its body follows.

    The parser keeps what it reads between the end of a head, of a piece of a body or of a request: that is bounded.
    """

    _kept = 0  # bytes since one of them ended
    _pieces = 0  # bytes of all the pieces that may hold some of the head that is being read
    _ended = False  # one of them, in what is being read
    _too_long = False

    def __init__(self, open_connections: OpenConnections, **connection: Any) -> None:
        super().__init__(**connection)
        self._open_connections = open_connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.transport = _Gathering(transport)
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes."""
        if self._too_long:
            return
        self._ended = False
        self._pieces += len(data)
        super().data_received(data)
        self._kept = 0 if self._ended else self._kept + len(data)
        if self._ended:
            self._pieces = len(data)
        if self._kept > _LONGEST_HEAD and not self._too_long:
            self._refuse()

    def on_headers_complete(self) -> None:
        """What precedes or follows the head may have arrived in the same piece."""
        self._ended = True
        if self._pieces > _LONGEST_HEAD and self._head_size() > _LONGEST_HEAD:
            self._too_long = True
            raise ValueError  # ends the parsing, and returns here as `send_400_response`
        super().on_headers_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._ended = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._ended = True
        self.scope[WHOLE] = True  # type: ignore[typeddict-unknown-key]  # ours
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or exceeds the limits."""
        if self._too_long:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self._too_long = True
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_response_complete(self) -> None:
        """A response without a body (to HEAD) still has its head held back: write it."""
        self.transport.flush()  # type: ignore[attr-defined]  # ours, since connection_made
        super().on_response_complete()


class _Gathering(asyncio.Transport):
    """The transport of one connection, which gathers head and body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn writes nothing else
        """Write now, or hold the head of a response back until the next write."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head + data)
        elif data.startswith(_FINAL):  # but never "100 Continue": the client waits for it
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is held back."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.write(head)

    def close(self) -> None:
        """Write what is held back, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._head = None
        self._transport.abort()
