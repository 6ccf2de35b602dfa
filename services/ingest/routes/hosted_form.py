"""`GET /f/<source>`: the form itself, for sources that define one; `GET /f/<source>/stamp`: when it was begun."""

from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from services.ingest.config.source import Source, Sources
from services.ingest.domain.forms.names import CAMPAIGN, STAMP
from services.ingest.domain.stamp import make_stamp
from services.ingest.pages import render as pages
from shared.clock import utc_now
from shared.http.problems import Problem

_LONGEST: Final = 500
_NO_FORM: Final = "The name in the path is that of a source of kind form, with a `form` in sources.yaml."


def install(app: FastAPI, sources: Sources, stamp_secret: bytes) -> None:
    """Add the two routes."""

    @app.get("/f/{source}", tags=["forms"], response_class=HTMLResponse, summary="The hosted form")
    async def hosted_form(source: str, request: Request) -> Response:
        """Its campaign is taken from the query; in an iframe, its page is the page around it."""
        found = sources.by_name.get(source)
        if found is None or found.form is None:
            raise Problem(404, "There is no such form", _NO_FORM)
        hidden = {name: value[:_LONGEST] for name, value in request.query_params.items() if name in CAMPAIGN}
        around = request.headers.get("referer")
        if around:
            hidden["page"] = around[: _LONGEST * 4]
        hidden[STAMP] = make_stamp(stamp_secret, found.name, utc_now())
        framed = request.headers.get("sec-fetch-dest") == "iframe"
        page = pages.hosted(found.form, action=found.name, hidden=hidden, framed=framed)
        return HTMLResponse(page, headers=pages.hosted_headers(found.form, found.frames))

    @app.get("/f/{source}/stamp", tags=["forms"], summary="A signed moment, for a form that is being filled in")
    async def stamp(source: str, request: Request) -> Response:
        """The snippet asks for it when a person begins to type: `{"stamp": "…"}`."""
        found = sources.by_name.get(source)
        if found is None or not found.may("form"):
            raise Problem(404, "There is no such form", _NO_FORM)
        made = {"stamp": make_stamp(stamp_secret, found.name, utc_now())}
        return JSONResponse(made, headers={"cache-control": "no-store", **_cors(found, request.headers.get("origin"))})


def _cors(source: Source, origin: str | None) -> dict[str, str]:
    if origin is None or not source.allows(origin):
        return {}
    return {"access-control-allow-origin": origin, "vary": "origin"}
