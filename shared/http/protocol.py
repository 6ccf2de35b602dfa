"""uvicorn's HTTP protocol, with one write for each answer and little of each connection in memory."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FINAL: Final = tuple(b"HTTP/1.1 %d" % hundred for hundred in (2, 3, 4, 5))
_READ_AT_ONCE: Final = 32_768  # uvloop would bring eight times that, for each connection that waits its turn


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
    """On a transport that keeps the head of an answer until there is something to go with it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """The connection is there."""
        super().connection_made(transport)
        self.transport = _Gathering(transport)

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
