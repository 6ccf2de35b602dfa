"""`GET /hooks/<source>`: how Meta makes sure, at set-up, that the address is ours."""

import re
from typing import Annotated, Final

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse

from services.ingest.config.sources import Sources
from services.ingest.domain.hooks.hook import same
from services.ingest.http.access import Door
from services.ingest.http.client_address import Proxies
from shared.http.problems import Problem

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # nothing that a browser could take for a page


def install(app: FastAPI, sources: Sources, door: Door, proxies: Proxies) -> None:
    """Add the route."""

    @app.get("/hooks/{source}", tags=["hooks"], response_class=PlainTextResponse, summary="Meta's set-up challenge")
    async def challenge(
        source: str,
        request: Request,
        mode: Annotated[str, Query(alias="hub.mode")] = "",
        token: Annotated[str, Query(alias="hub.verify_token")] = "",
        given: Annotated[str, Query(alias="hub.challenge")] = "",
    ) -> Response:
        """The challenge again, when the verify token is the source's own."""
        found = sources.by_name.get(source)
        if found is None or found.hook is None or found.kind != "meta":
            raise Problem(404, "There is no such webhook to set up", "Only sources of kind meta are asked this way.")
        address = proxies.client(request.scope, dict(request.headers.raw))
        door.guessing(address)
        expected = found.hook.options.get("verify_token")
        if not expected or not same(token, expected) or mode != "subscribe":
            door.guessed_wrong(address)
            raise Problem(403, "The verify token is not that of this source", "See `verify_token` in sources.yaml.")
        if not _CHALLENGE.fullmatch(given):
            raise Problem(403, "The challenge is not one of Meta's")
        return PlainTextResponse(given)
