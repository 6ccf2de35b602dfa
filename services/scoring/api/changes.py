"""`GET /v1/changes`: server-sent events for a page that watches the queue or contacts."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from services.scoring.watching import Watching
from shared.http.auth import Tokens
from shared.http.problems import FieldError, Problem
from shared.http.queries import without_nul

_LONGEST_S: Final = 1800.0  # then the client reconnects by itself, and its token is checked again
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "events `change` (`queue`: whether it moved; `contacts`: ids, null for many), and `resync`",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    503: {"description": "too many watch this process"},
}


def routes(watching: Watching, tokens: Tokens) -> APIRouter:
    """The route; it needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["queue"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/changes", response_class=StreamingResponse, responses=_STREAM)
    async def changes(
        after: Annotated[str | None, Query(max_length=20, description="the id of the last event that was seen")] = None,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    ) -> StreamingResponse:
        """What has changed since an event, or from now on. `resync`: that is too long ago; read everything again."""
        if watching.is_full:
            raise Problem(503, "Too many watch already", headers={"Retry-After": "30"})
        begin, lost = await watching.begin(_number(last_event_id or after))
        return StreamingResponse(
            _events(watching, begin, lost=lost),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _events(watching: Watching, begin: int, *, lost: bool) -> AsyncIterator[bytes]:
    yield _event(begin, "resync" if lost else "hello", {})
    async for change in watching.follow(begin, _LONGEST_S):
        if change is None:
            yield b": still here\n\n"
        else:
            contacts = None if change.contacts is None else [str(each) for each in dict.fromkeys(change.contacts)]
            yield _event(change.transaction, "change", {"queue": change.queue, "contacts": contacts})


def _event(identifier: int, kind: str, data: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (identifier, kind.encode(), msgspec.json.encode(data))


def _number(said: str | None) -> int | None:
    if said is None or said == "":
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 19):  # noqa: PLR2004 - a bigint
        raise Problem(
            422, "The request has wrong fields", errors=[FieldError("/query/after", "not an id of these events")]
        )
    return int(said)
