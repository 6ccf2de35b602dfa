"""Disconnects clients that send a request drop by drop, or do not read the answer.

Each would hold a connection for ever (slow loris). uvicorn has a time-out for idle connections only. Polling all
connections now and then costs the requests nothing.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final

SLOWEST_REQUEST_S: Final = 30.0  # from the first byte to the last: 32 KB in half a minute is a very slow phone
_BODY: Final = b'{"type":"about:blank","title":"The request took too long","status":408}'
_LATE: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
_Awaited = tuple[str, int]  # what a client owes, and something that changes when it moves on


async def hang_up_on_the_slow(connections: Collection[Any], patience_s: float) -> None:
    """Watch the connections of a uvicorn server until cancelled.

    It closes those whose request is not complete in time, or whose answer is not read.
    """
    loop = asyncio.get_running_loop()
    since: dict[Any, tuple[_Awaited, float]] = {}
    while True:
        await asyncio.sleep(min(1.0 if connections else 3.0, patience_s / 4))
        now = loop.time()
        seen: dict[Any, tuple[_Awaited, float]] = {}
        for connection in list(connections):
            waiting_for = _unread(connection) or _incomplete(connection)
            if waiting_for is None:
                continue
            which, started = since.get(connection, (waiting_for, now))
            if which != waiting_for:  # something else than at the last poll
                started = now
            if now - started >= patience_s:
                _hang_up(connection)
                continue
            seen[connection] = (waiting_for, started)
        since = seen


def _unread(connection: Any) -> _Awaited | None:
    """Identifies what the client has not read yet; None when it has read everything.

    Of a complete answer that is little, and has to be read as a whole; of one that goes on, something has to be read.
    """
    left = _bytes_left(connection.transport)
    if not left:
        return None
    cycle = connection.cycle
    said_all = connection.transport.is_closing() or cycle is None or cycle.response_complete
    return ("answer", id(cycle)) if said_all else ("stream", left)


def _incomplete(connection: Any) -> _Awaited | None:
    """Identifies the incomplete request of a connection; None when it waits for nothing."""
    cycle = connection.cycle
    if cycle is None:
        return ("head", 0)  # at most a part of its first headers has arrived
    if cycle.response_complete:
        # Idle connections have uvicorn's own timer, which stops at the first byte of the next request.
        return ("head", id(cycle)) if connection.timeout_keep_alive_task is None else None
    return ("body", id(cycle)) if cycle.more_body else None


def _bytes_left(transport: Any) -> int:
    try:
        return int(transport.get_write_buffer_size())
    except RuntimeError:  # closed since; its connection is told so in a moment
        return 0


def _hang_up(connection: Any) -> None:
    transport = connection.transport
    if _bytes_left(transport):
        transport.abort()  # to close would wait until all is read
        return
    if transport.is_closing():
        return
    cycle = connection.cycle
    if cycle is None or cycle.response_complete or not cycle.response_started:
        transport.write(_LATE)
    transport.close()
