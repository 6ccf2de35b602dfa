"""Sends a webhook to exactly the address that was checked. The only module that knows the HTTP client.

A name is resolved once, every address is checked, and the connector is given the checked addresses instead of a
resolver. No redirects, no proxies from the environment, no cookies, a capped read, one deadline.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.nurture.channels.webhook import address_guard
from shared.runtime.deadlines import ATTEMPT_S, CONNECT_S

LONGEST_ANSWER: Final = 20_000  # bytes of a response that are read and kept
_NAMES_LIVE_S: Final = 30.0
_KEEP_ALIVE_S: Final = 15.0
_LONGEST_HEADER: Final = 65_536  # a receiver that answers 200 under a long policy has taken it all the same
_MOST_HEADERS: Final = 1000
_RESOLVERS: Final = 32  # one look-up per endpoint at a time, so a dead name server blocks one thread per endpoint


@dataclass(frozen=True, slots=True)
class Answered:
    """A response came back. `excerpt` is the start of its body, as text that Postgres can store."""

    status: int
    retry_after: str | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was opened, so nothing can have been received."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The connection opened and no status came back: the receiver may have taken it."""

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


class _Checked(AbstractResolver):
    """Answers with the addresses that were checked, so that no second look-up finds others."""

    def __init__(self) -> None:
        self.addresses: Sequence[str] = ()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        families = ((address, socket.AF_INET6 if ":" in address else socket.AF_INET) for address in self.addresses)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=its,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, its in families
            if family in (socket.AF_UNSPEC, its)
        ]

    async def close(self) -> None:
        pass


class Line:
    """The connections to one endpoint, kept alive between webhooks."""

    def __init__(
        self, url: str, *, names: Names, tls: ssl.SSLContext, allow_private: bool, deadline_s: float = ATTEMPT_S
    ) -> None:
        """Nothing connects before the first `post`. The caller keeps to the endpoint's concurrency."""
        self._url = URL(url).with_user(None)
        self._host, self._port = self._url.raw_host or "", self._url.port or 0
        self._names = names
        self._tls = tls
        self._allow_private = allow_private
        self._deadline_s = deadline_s
        self._checked = _Checked()
        self._session: aiohttp.ClientSession | None = None
        self._resolving = asyncio.Lock()
        self._known: Sequence[str] = ()
        self._known_until = 0.0

    async def post(self, body: bytes, headers: Sequence[tuple[str, str]]) -> Reply:
        """Send the body once and return the outcome. Network errors are outcomes, never raised."""
        until = asyncio.get_running_loop().time() + self._deadline_s
        try:
            async with asyncio.timeout_at(until):
                addresses = await self._addresses()
        except TimeoutError:
            return NotSent("the name was not resolved in time")
        except (OSError, UnicodeError) as error:
            return NotSent(f"the name cannot be resolved ({type(error).__name__})")
        refused = address_guard.first_refusal(addresses, allow_private=self._allow_private)
        if refused is not None:
            return Refused(f"refused: {refused}")
        self._checked.addresses = addresses
        reply = await self._send(body, headers, until)
        if isinstance(reply, NotSent):
            self._known_until = 0.0  # it may have moved: resolve again next time
        return reply

    async def _addresses(self) -> Sequence[str]:
        clock = asyncio.get_running_loop().time
        if clock() >= self._known_until:
            async with self._resolving:
                if clock() >= self._known_until:
                    self._known = await self._names.addresses(self._host, self._port)
                    self._known_until = clock() + _NAMES_LIVE_S
        return self._known

    async def _send(self, body: bytes, headers: Sequence[tuple[str, str]], until: float) -> Reply:
        if self._session is None:
            self._session = _session(self._checked, self._tls)
        try:
            async with asyncio.timeout_at(until):
                response = await self._session.post(self._url, data=body, headers=headers, allow_redirects=False)
        except _NEVER_OPENED as error:
            return NotSent(_reason(error))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            return NoAnswer(_reason(error))
        return Answered(response.status, response.headers.get("retry-after"), await _excerpt(response, until))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


_NEVER_OPENED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)  # a failed TLS handshake too
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (  # the first that fits
    (aiohttp.ClientConnectorCertificateError, "its certificate is not one to trust"),
    (aiohttp.ClientSSLError, "the TLS handshake failed"),
    (aiohttp.ClientConnectorError, "the connection was refused"),
    (aiohttp.ConnectionTimeoutError, "the connection did not open in time"),
    (aiohttp.ServerDisconnectedError, "the connection broke before an answer"),
    (aiohttp.ClientOSError, "the connection broke before an answer"),
    (aiohttp.ClientResponseError, "the answer was not HTTP, or only half of one"),
    (TimeoutError, "no answer in time"),
)


def _reason(error: BaseException) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), type(error).__name__)


async def _excerpt(response: aiohttp.ClientResponse, until: float) -> str:
    """The body, up to LONGEST_ANSWER bytes; the status is known, so a broken body is no failure."""
    kept = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for part in response.content.iter_any():
                kept += part[: LONGEST_ANSWER - len(kept)]
                if len(kept) >= LONGEST_ANSWER:
                    break
    except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        pass
    finally:
        response.close()  # after a body that was read to its end the connection is kept already
    text = kept.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return text.encode()[:LONGEST_ANSWER].decode("utf-8", "ignore")  # replacements take more bytes


def tls_context() -> ssl.SSLContext:
    """The one TLS context: loading the certificates takes 13 ms, too long for every connection."""
    return ssl.create_default_context(cafile=certifi.where())


def _session(checked: _Checked, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=checked, use_dns_cache=False, ssl=tls, limit=0, keepalive_timeout=_KEEP_ALIVE_S
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        auto_decompress=False,
        trust_env=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        max_headers=_MOST_HEADERS,
    )
