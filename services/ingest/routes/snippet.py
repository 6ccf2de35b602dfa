"""`GET /firsthour.js`: the script that a page includes, compressed once and served from memory."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from rjsmin import jsmin

PATH: Final = "/firsthour.js"
_FILE: Final = Path(__file__).parents[1] / "pages" / "templates" / "firsthour.js"
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",  # for cross-origin isolated pages (COEP) too
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class _Form:
    """The same script in one encoding: each has its own strong ETag."""

    body: bytes
    headers: dict[str, str]

    def answer(self, request: Request) -> Response:
        if _matches(request.headers.get("if-none-match"), self.headers["ETag"]):
            return Response(None, 304, self.headers)
        return Response(self.body, 200, self.headers, "text/javascript")


def install(app: FastAPI) -> None:
    plain = jsmin(_FILE.read_text("utf-8")).encode()
    digest = hashlib.sha256(plain).hexdigest()[:32]
    as_is = _Form(plain, {**_HEADERS, "ETag": f'"{digest}"'})
    packed = _Form(
        gzip.compress(plain, 9, mtime=0), {**_HEADERS, "ETag": f'"{digest}-gzip"', "Content-Encoding": "gzip"}
    )

    async def snippet(request: Request) -> Response:
        """The site snippet: `<script async src="…/firsthour.js" data-key="…"></script>`."""
        form = packed if _takes_gzip(request.headers.get("accept-encoding", "")) else as_is
        return form.answer(request)

    script = {"description": "The script", "content": {"text/javascript": {"schema": {"type": "string"}}}}
    app.get(
        PATH,
        tags=["site"],
        summary="The site snippet",
        response_class=Response,
        responses={200: script, 304: {"description": "The browser's copy is the newest"}},
    )(snippet)
    app.head(PATH, include_in_schema=False)(snippet)


def _matches(given: str | None, etag: str) -> bool:
    """Whether If-None-Match names this ETag; a proxy may have made it weak."""
    if given is None:
        return False
    return given.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in given.split(","))


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
