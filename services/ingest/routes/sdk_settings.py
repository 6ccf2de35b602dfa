"""What Segment's browser SDK asks for before its first event: where to send, and that nothing else is to be loaded."""

import re
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.ingest.config.source import Source
from services.ingest.http.access import Door
from services.ingest.http.client_address import Proxies
from shared.http.problems import Problem

_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_CACHED: Final = "private, max-age=300"


def install(app: FastAPI, door: Door, proxies: Proxies, public_url: str | None) -> None:
    """Serve `GET /v1/projects/<write key>/settings`, with the SDK's `cdnURL` pointing at ingest.

    `public_url`: where the world reaches ingest; None: as each request says.
    """

    @app.get("/v1/projects/{write_key}/settings", tags=["events"], summary="Settings of Segment's browser SDK")
    async def settings(write_key: str, request: Request) -> JSONResponse:
        """Raises Problem 404 when the key is not one for a page, and 429 when too many were none."""
        address = proxies.client(request.scope, dict(request.headers.raw))
        source = door.opened_by(write_key.encode("utf-8", "replace"), address)
        if source is None or not _for_pages(source):
            raise Problem(404, "There is no such write key for a page")
        headers = {"Cache-Control": _CACHED, "Vary": "Origin, X-Forwarded-Proto", **_cors(source, request)}
        url = public_url or _asked(request, proxies)
        return JSONResponse(_settings(write_key, url), headers=headers)


def _for_pages(source: Source) -> bool:
    """The key of a server must not work in a page, where everybody could read it."""
    return source.may("segment") and source.kind != "api"


def _cors(source: Source, request: Request) -> dict[str, str]:
    origin = request.headers.get("origin")
    if origin is None or not source.allows(origin):
        return {}
    return {"Access-Control-Allow-Origin": origin}


def _asked(request: Request, proxies: Proxies) -> str:
    host = request.headers.get("host", "")
    scheme = proxies.scheme(request.scope, dict(request.headers.raw))
    return f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


def _settings(write_key: str, url: str) -> dict[str, Any]:
    scheme, _, place = url.rstrip("/").partition("://")
    segment: dict[str, Any] = {
        "apiKey": write_key,
        "apiHost": f"{place}/v1",
        "protocol": scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": False,
        "maybeBundledConfigIds": {},
    }
    return {
        "integrations": {"Segment.io": segment},
        "plan": {},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},  # else the SDK tells Segment how it is used
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
