"""`GET /hooks/<source>`: the handshake with which senders check, at set-up, that the address is ours."""

import re
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from services.ingest.config.source import Source, Sources
from services.ingest.domain.hooks.generic import CHALLENGE
from services.ingest.domain.hooks.hook import Incoming, Unverified, same
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.http.access import Door
from services.ingest.http.client_address import Proxies
from shared.clock import utc_now
from shared.http.problems import Problem

_OF_META: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # nothing that a browser could render as a page
_NAMES: Final = ("hub.challenge", "challenge", "hub_challenge", "validationToken", "validationtoken", "echostr")
_HEADERS: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


def install(app: FastAPI, sources: Sources, door: Door, proxies: Proxies) -> None:
    def answered(source: str, request: Request) -> Response:
        found = sources.by_name.get(source)
        if found is None or found.hook is None:
            raise Problem(404, "There is no such webhook to set up", "The name in the path is that of a source.")
        address = proxies.client(request.scope, dict(request.headers.raw))
        door.guessing(address)
        try:
            given = _of_meta(found, request.query_params) if found.kind == "meta" else _of_others(found, request)
        except Unverified as unverified:
            door.guessed_wrong(address)
            raise Problem(403, "This is not the secret of this source", str(unverified)) from None
        return PlainTextResponse(given, headers=_HEADERS)

    @app.get("/hooks/{source}", tags=["hooks"], response_class=PlainTextResponse, summary="A sender's set-up challenge")
    async def challenge(source: str, request: Request) -> Response:
        """Echo the challenge, if there is one."""
        return answered(source, request)

    @app.head("/hooks/{source}", include_in_schema=False)
    async def there(source: str, request: Request) -> Response:
        return answered(source, request)

    @app.get(
        "/hooks/{source}/{secret:path}",
        tags=["hooks"],
        response_class=PlainTextResponse,
        summary="The same, where the secret stands in the path",
    )
    async def challenge_with_secret(source: str, secret: str, request: Request) -> Response:  # noqa: ARG001 - in the URL
        """Echo the challenge if the secret is the source's."""
        return answered(source, request)

    @app.head("/hooks/{source}/{secret:path}", include_in_schema=False)
    async def there_with_secret(source: str, secret: str, request: Request) -> Response:  # noqa: ARG001 - in the URL
        return answered(source, request)


def _of_meta(source: Source, query: Mapping[str, str]) -> str:
    """Meta's challenge. Raises Unverified, or Problem 403 when there is none."""
    assert source.hook is not None
    expected = source.hook.options.get("verify_token")
    token, mode = query.get("hub.verify_token", ""), query.get("hub.mode", "")
    if not expected or not same(token, expected) or mode != "subscribe":
        raise Unverified("see `verify_token` in sources.yaml")
    given = query.get("hub.challenge", "")
    if not _OF_META.fullmatch(given):
        raise Problem(403, "The challenge is not one of Meta's")
    return given


def _of_others(source: Source, request: Request) -> str:
    """The challenge in the query; empty without one. Raises Unverified.

    A secret in the URL has to be right; a sender that signs bodies has none to sign yet.
    """
    assert source.hook is not None
    hook, settings = SENDERS[source.kind], source.hook
    signature = settings.options.get("signature")
    in_url = hook.early or (signature is not None and (signature.path or signature.query is not None))
    if in_url:
        headers = {name.lower(): value for name, value in request.headers.items()}
        hook.verify(Incoming(headers, b"", str(request.url), utc_now()), settings.secrets, settings.options)
    token = request.query_params.get("hub.verify_token")
    if token is not None and not any(same(token, each) for each in settings.secrets):
        raise Unverified("hub.verify_token has to be the secret")
    given = next((value for name in _NAMES if (value := request.query_params.get(name))), "")
    return given if CHALLENGE.fullmatch(given) else ""
