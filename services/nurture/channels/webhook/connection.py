"""One connection to a receiver: HTTP/1.1, one request at a time, parsed by what parses for our own servers.

It posts, and does nothing else, and of an answer it keeps what somebody looks at: a general client takes four times the
processor time.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

import httptools

LONGEST_ANSWER: Final = 20_000  # bytes of a response that are read and kept
_KEEP_ALIVE_S: Final = 15.0
_LONGEST_HEAD: Final = 262_144  # a receiver that answers 200 under a long policy has taken it all the same
_FINAL: Final = 200  # the first status that is no word in between
_OTHER_PROTOCOL: Final = 101
_BROKE: Final = "the connection broke before an answer"
_NOT_HTTP: Final = "the answer was not HTTP, or only half of one"


@dataclass(frozen=True, slots=True)
class Answered:
    """A response came back. `excerpt` is the start of its body, as text that Postgres can store."""

    status: int
    retry_after: str | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The connection opened and no status came back: the receiver may have taken it."""

    reason: str


class Connection(asyncio.Protocol):
    """One connection, for as long as it is `usable`. The methods `on_…` are the parser's."""

    def __init__(self, among: set["Connection"]) -> None:
        """It is in `among` while it is open."""
        self._among = among
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        # Whoever answers carelessly has taken it all the same.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[str] | None = None  # of the request under way: what is wrong without a status
        self._status: int | None = None  # once the headers are complete
        self._retry_after: str | None = None
        self._head = 0  # bytes of headers
        self._kept = bytearray()
        self._whole = self._stays = False  # the answer is complete; the receiver keeps the connection open
        self.usable = True

    async def post(self, request: bytes, until: float) -> Answered | NoAnswer:
        """Send a request, and wait for its answer until then."""
        assert self._transport is not None, "it is open"
        if self._rest is not None:
            self._rest.cancel()
        self._forget()
        self._ended = self._loop.create_future()
        late = self._loop.call_at(until, self._end, "no answer in time")
        try:
            if self.usable:
                self._transport.write(request)
            else:  # it broke as soon as it was open
                self._end(_BROKE)
            wrong = await self._ended
        finally:
            late.cancel()
            self._ended = None
            if self._whole and self._stays and self.usable and not self._transport.get_write_buffer_size():
                self._rest = self._loop.call_later(_KEEP_ALIVE_S, self.close)
            else:
                self.close()
        if self._status is None:
            return NoAnswer(wrong)
        text = self._kept.decode("utf-8", "replace").replace("\x00", "\ufffd")
        excerpt = text.encode()[:LONGEST_ANSWER].decode("utf-8", "ignore")  # replacements take more bytes
        return Answered(self._status, self._retry_after, excerpt)

    def close(self) -> None:
        """What has not arrived yet is of no interest."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _forget(self) -> None:
        self._status = self._retry_after = None
        self._head, self._kept, self._whole, self._stays = 0, bytearray(), False, False

    def _end(self, wrong: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(wrong)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no such class
        self._among.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.usable = False
        self._among.discard(self)
        self._end(_BROKE if self._head == 0 else _NOT_HTTP)

    def data_received(self, data: bytes) -> None:
        if self._ended is None or self._whole:
            self.close()  # nobody asked
            return
        if self._status is None:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stays = False
            self._end("")
        except httptools.HttpParserError:
            self._stays = False
            self._end(_NOT_HTTP)
        if self._whole or len(self._kept) >= LONGEST_ANSWER or (self._status is None and self._head > _LONGEST_HEAD):
            self._end(_NOT_HTTP)

    def on_message_begin(self) -> None:
        if self._whole:  # a second answer to one request
            self._stays = False
        elif self._status is None:
            self._retry_after = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._status is None and self._retry_after is None and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._status is None and (status >= _FINAL or status == _OTHER_PROTOCOL):
            self._status, self._stays = status, self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        if not self._whole:
            self._kept += part[: LONGEST_ANSWER - len(self._kept)]

    def on_message_complete(self) -> None:
        self._whole = self._status is not None  # otherwise it was only a word in between, such as 100
