"""Sends a webhook to exactly the address that was checked: an HTTP client that posts, and does nothing else.

A name is resolved once, every address is checked, and what is dialled is an address, never a name. No redirects, no
proxies from the environment, no cookies, a capped read, one deadline.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

import certifi
import idna

from services.nurture.channels.webhook import address_guard
from services.nurture.channels.webhook.connection import Answered, Connection, NoAnswer
from shared.runtime.deadlines import ATTEMPT_S, CONNECT_S

_NAMES_LIVE_S: Final = 30.0
_AS_IT_IS: Final = "/?:@!$&'()*+,;=%~[]"  # what may stand in a path or a query, "%" of what is quoted already
_RESOLVERS: Final = 32  # one look-up per endpoint at a time, so a dead name server blocks one thread per endpoint


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was opened, so nothing can have been received."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The name leads to an address that must not be dialled."""

    reason: str


Reply = Answered | NotSent | NoAnswer | Refused


class Names:
    """Resolves names on its own threads: a slow name server must not starve anything else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of the name, in the resolver's order. Raises OSError when there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Abandon the threads without waiting for a look-up that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Line:
    """The connections to one endpoint, kept alive between webhooks."""

    def __init__(
        self, url: str, *, names: Names, tls: ssl.SSLContext, allow_private: bool, deadline_s: float = ATTEMPT_S
    ) -> None:
        """Nothing connects before the first `post`. The caller keeps to the endpoint's concurrency."""
        parts = urlsplit(url)
        self._tls = tls if parts.scheme == "https" else None
        self._host, self._port = _ascii(parts.hostname or ""), parts.port or (443 if self._tls is not None else 80)
        named = f"[{self._host}]" if ":" in self._host else self._host
        path = quote(parts.path or "/", _AS_IT_IS) + (f"?{quote(parts.query, _AS_IT_IS)}" if parts.query else "")
        self._begin = f"POST {path} HTTP/1.1\r\nhost: {named}{f':{parts.port}' if parts.port else ''}\r\n"
        self._names = names
        self._allow_private = allow_private
        self._deadline_s = deadline_s
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []  # the one used last at the end; never more than were under way at once
        self._resolving = asyncio.Lock()
        self._known: Sequence[str] = ()
        self._refused: str | None = None  # why none of these may be dialled
        self._known_until = 0.0
        self._reached: str | None = None  # the address that took the last connection

    async def post(self, body: bytes, headers: Sequence[tuple[str, str]]) -> Reply:
        """Send the body once and return the outcome. Network errors are outcomes, never raised."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._deadline_s
        if clock() >= self._known_until:
            try:
                async with asyncio.timeout_at(until):
                    await self._resolve()
            except TimeoutError:
                return NotSent("the name was not resolved in time")
            except (OSError, UnicodeError) as error:
                return NotSent(f"the name cannot be resolved ({type(error).__name__})")
        if self._refused is not None:
            return Refused(f"refused: {self._refused}")
        connection = self._kept() or await self._connected(self._known, until)
        if isinstance(connection, NotSent):
            self._known_until = 0.0  # it may have moved: resolve again next time
            return connection
        reply = await connection.post(self._request(body, headers), until)
        if connection.usable:
            self._idle.append(connection)
        return reply

    async def _resolve(self) -> None:
        clock = asyncio.get_running_loop().time
        async with self._resolving:
            if clock() >= self._known_until:
                self._known = await self._names.addresses(self._host, self._port)
                self._refused = address_guard.first_refusal(self._known, allow_private=self._allow_private)
                self._known_until = clock() + _NAMES_LIVE_S

    def _request(self, body: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header has a line break in it")
        return f"{self._begin}{lines}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connected(self, addresses: Sequence[str], until: float) -> Connection | NotSent:
        """A connection to one of these addresses; the one that took the last is tried first."""
        loop = asyncio.get_running_loop()
        name = self._host.rstrip(".") if self._tls is not None else None
        failed: BaseException = OSError()
        for address in sorted(addresses, key=lambda each: each != self._reached):
            try:
                async with asyncio.timeout_at(min(until, loop.time() + CONNECT_S)):
                    _, connection = await loop.create_connection(
                        partial(Connection, self._open), address, self._port, ssl=self._tls, server_hostname=name
                    )
            except OSError as error:  # TimeoutError and SSLError are of its kind
                failed = error
            else:
                self._reached = address
                return connection
        return NotSent(next(reason for kind, reason in _NOT_OPENED if isinstance(failed, kind)))

    async def aclose(self) -> None:
        """Close the connections."""
        for connection in list(self._open):
            connection.close()


_NOT_OPENED: Final[tuple[tuple[type[BaseException], str], ...]] = (  # the first that fits
    (ssl.SSLCertVerificationError, "its certificate is not one to trust"),
    (ssl.SSLError, "the TLS handshake failed"),
    (TimeoutError, "the connection did not open in time"),
    (OSError, "the connection was refused"),
)


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host  # looking it up will say so


def tls_context() -> ssl.SSLContext:
    """The one TLS context: loading the certificates takes 13 ms, too long for every connection."""
    return ssl.create_default_context(cafile=certifi.where())
