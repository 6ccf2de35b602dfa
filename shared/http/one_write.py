"""An answer leaves in one piece: uvicorn writes head and body apart, and each write is a call into the kernel."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FINAL: Final = tuple(b"HTTP/1.1 %d" % hundred for hundred in (2, 3, 4, 5))


class OneWrite(HttpToolsProtocol):
    """uvicorn's protocol, on a transport that keeps the head of an answer until there is something to go with it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """The connection is there."""
        super().connection_made(transport)
        self.transport = _Gathering(transport)

    def on_response_complete(self) -> None:
        """uvicorn: the answer is whole. One without a body (to HEAD) has its head still here."""
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

    def set_protocol(self, protocol: Any) -> None:
        """Hand the connection on, after what is kept."""
        self.flush()
        self._transport.set_protocol(protocol)
