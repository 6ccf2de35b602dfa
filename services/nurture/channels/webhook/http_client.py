"""Sends a webhook to exactly the address that was checked. The only module that knows the HTTP client.

A name is resolved once, every address is checked, and a checked address is dialled: the URL holds the address, the
Host header and TLS hold the name. No redirects, no proxies from the environment, a capped read, one deadline.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import httpx

from services.nurture.channels.webhook import address_guard
from shared.runtime.deadlines import ATTEMPT_S

LONGEST_ANSWER: Final = 20_000  # bytes of a response that are read and kept
_TARGETS: Final = 32
_CONNECT_S: Final = 5.0
_NAMES_LIVE_S: Final = 30.0
_KEEP_ALIVE_S: Final = 15.0
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


class Line:
    """The connections to one endpoint, at most `concurrency` of them, kept alive between webhooks.

    One single-connection transport per request under way: the client's own pool slows down with the square of the
    requests in it (at 64 at once 0.5k/s; this way 3.6k/s).
    """

    def __init__(
        self, url: str, *, names: Names, tls: ssl.SSLContext, allow_private: bool, deadline_s: float = ATTEMPT_S
    ) -> None:
        """Nothing connects before the first `post`. The caller keeps to the endpoint's concurrency."""
        self._url = httpx.URL(url)
        self._names = names
        self._tls = tls
        self._allow_private = allow_private
        self._deadline_s = deadline_s
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._host = self._url.raw_host.decode()
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._targets: dict[str, httpx.URL] = {}  # parsing one takes longer than signing a webhook
        self._resolving = asyncio.Lock()
        self._known: Sequence[str] = ()
        self._known_until = 0.0
        self._extensions = {
            "sni_hostname": self._host,
            "timeout": {"connect": _CONNECT_S, "read": deadline_s, "write": deadline_s, "pool": deadline_s},
        }

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
        reply: Reply = NotSent("the name has no address")
        for address in addresses:
            reply = await self._dial(address, body, headers, until)
            if not isinstance(reply, NotSent):
                return reply
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

    async def _dial(self, address: str, body: bytes, headers: Sequence[tuple[str, str]], until: float) -> Reply:
        request = httpx.Request(
            "POST",
            self._target(address),
            headers=[
                (b"host", self._url.netloc),
                *((name.encode(), value.encode()) for name, value in headers),
                (b"content-length", str(len(body)).encode()),
            ],
            content=body,
            extensions=self._extensions,
        )
        transport = self._idle.pop() if self._idle else _transport(self._tls)
        kept = False
        try:
            async with asyncio.timeout_at(until):
                response = await transport.handle_async_request(request)
            excerpt = await _excerpt(response, until)
            self._idle.append(transport)
            kept = True
        except (httpx.HTTPError, OSError) as error:
            reason = _REASONS.get(type(error), type(error).__name__)
            return NotSent(reason) if isinstance(error, _NEVER_OPENED) else NoAnswer(reason)
        finally:
            if not kept:
                await transport.aclose()
        return Answered(response.status_code, response.headers.get("retry-after"), excerpt)

    def _target(self, address: str) -> httpx.URL:
        target = self._targets.get(address)
        if target is None:
            if len(self._targets) >= _TARGETS:
                self._targets.clear()
            target = self._targets[address] = self._url.copy_with(host=address, userinfo=b"")
        return target

    async def aclose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().aclose()


_NEVER_OPENED: Final = (httpx.ConnectError, httpx.ConnectTimeout)  # a failed TLS handshake is one of these too
_REASONS: Final[dict[type[BaseException], str]] = {
    httpx.ConnectError: "the connection was refused",
    httpx.ConnectTimeout: "the connection did not open in time",
    httpx.ReadError: "the connection broke before an answer",
    httpx.WriteError: "the connection broke while sending",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "it did not take the request in time",
    httpx.RemoteProtocolError: "the answer was not HTTP, or only half of one",
    TimeoutError: "no answer in time",
}


async def _excerpt(response: httpx.Response, until: float) -> str:
    """The body, up to LONGEST_ANSWER bytes; the status is known, so a broken body is no failure."""
    kept = bytearray()
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        async with asyncio.timeout_at(until), aclosing(stream):
            async for part in stream:
                kept += part[: LONGEST_ANSWER - len(kept)]
                if len(kept) >= LONGEST_ANSWER:
                    break
    except (httpx.HTTPError, OSError):  # TimeoutError is an OSError
        pass
    text = kept.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return text.encode()[:LONGEST_ANSWER].decode("utf-8", "ignore")  # replacements take more bytes


def tls_context() -> ssl.SSLContext:
    """The one TLS context: loading the certificates takes 13 ms, too long for every connection."""
    return httpx.create_ssl_context(trust_env=False)


def _transport(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    # httpcore tries to import sniffio four times a request; without it each try searches the disk (a third of the
    # time of a webhook). None is Python's own way to say "known not to be there"; asyncio needs no sniffing.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    return httpx.AsyncHTTPTransport(
        verify=tls,
        trust_env=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE_S),
    )
