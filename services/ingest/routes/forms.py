"""`POST /f/<source>`: what a web form sends."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter

from services.ingest.accept.intake import Intake
from services.ingest.config.source import Source
from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import parse_form, parse_multipart
from services.ingest.domain.forms.names import CAMPAIGN, STAMP
from services.ingest.domain.forms.read import caught, read_form
from services.ingest.domain.forms.redirect import redirect_of
from services.ingest.domain.likelihood import Visitor
from services.ingest.domain.stamp import fill_seconds
from services.ingest.http.access import Door
from services.ingest.http.body import decode_object
from services.ingest.http.exchange import Answer, Request
from services.ingest.http.refusals import reason_of
from services.ingest.pages import render as pages
from services.ingest.pages.words import language_asked
from shared.clock import new_id, utc_now
from shared.http.problems import Problem

_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
# A person who tries again in a moment may well succeed; about all else a visitor can do nothing.
_PAGES: Final = {429: pages.busy, 503: pages.busy, 408: pages.busy, 413: pages.too_long}
_ROOM_FOR_MULTIPART: Final = 2  # boundaries and headers of the parts come on top of the fields


class Forms:
    """A form of any page that the source allows."""

    def __init__(
        self, door: Door, intake: Intake, *, largest: int, stamp_secret: bytes, registry: CollectorRegistry
    ) -> None:
        """`largest`: bytes of a body."""
        self._door = door
        self._intake = intake
        self._largest = largest
        self._stamp_secret = stamp_secret
        self._robots = Counter("firsthour_ingest_honeypot", "Forms that only a robot fills in so.", registry=registry)

    async def take(self, request: Request) -> Answer:
        """Answer with a page for a person, JSON for a program."""
        try:
            return await self._take(request)
        except Problem as problem:
            if _wants_json(request) or b"text/html" not in _accept(request):
                raise
            request.refused = reason_of(problem), [Wrong(each.at, each.problem) for each in problem.errors]
            more = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            show = _PAGES.get(problem.status, pages.closed)
            page = show(language=_language(request), framed=_framed(request))
            return Answer(problem.status, page, (*pages.HEADERS, *more))

    async def _take(self, request: Request) -> Answer:
        source = self._door.by_name(request, "form")
        if source is None:
            raise Problem(404, "There is no such form", "The name in the path is that of a source of kind form.")
        if not _may_post(source, request.headers):
            raise Problem(403, "This page may not use this form", "Add its origin to the source's `origins`.")
        form: Mapping[str, object] = {}
        try:
            form = await self._fields(request)
            identifier = await self._one(request, source, form)
        except Refused as refused:
            if _wants_json(request):
                raise
            request.refused = "invalid", refused.wrong
            return _to_correct(request, source, form, refused.wrong)
        redirect = redirect_of(form, source.origins, source.redirect)
        if _wants_json(request):
            answer = {"id": identifier, "status": "accepted", **({"redirect": redirect} if redirect else {})}
            return Answer(202, msgspec.json.encode(answer))
        if redirect is not None:
            return Answer(303, b"", ((b"location", redirect.encode()),))
        page = pages.thanks(source.form, language=_language(request), framed=_framed(request))
        return Answer(200, page, pages.HEADERS)

    async def _fields(self, request: Request) -> Mapping[str, object]:
        kind = request.content_type
        if kind == b"application/x-www-form-urlencoded":
            return parse_form(await request.body(self._largest), request.headers[b"content-type"])
        if kind == b"multipart/form-data":
            body = await request.body(self._largest * _ROOM_FOR_MULTIPART)
            return parse_multipart(body, request.headers[b"content-type"])
        if kind == b"application/json":
            return decode_object(await request.body(self._largest))
        raise Problem(415, "This content type is not accepted", "Send the form url-encoded, as multipart, or JSON.")

    async def _one(self, request: Request, source: Source, form: Mapping[str, object]) -> str:
        robot = caught(form)
        if robot:
            self._robots.inc()
        came_from = request.headers.get(b"referer", b"").decode("latin-1")
        try:
            fact = read_form(
                form,
                source.fields,
                name=source.name,
                came_from=came_from,
                wording=source.consent,
                country=source.country,
            )
        except Refused:
            if robot:  # looks successful, so that the robot learns nothing
                return str(new_id())
            raise
        visitor = self._visitor(request, source, form, robot=robot)
        (identifier,) = await self._intake.accept(source, (request.named(fact),), request.traceparent, visitor)
        return str(identifier)

    def _visitor(self, request: Request, source: Source, form: Mapping[str, object], *, robot: bool) -> Visitor:
        visitor = request.visitor or Visitor()
        stamp = form.get(STAMP)
        fill = fill_seconds(self._stamp_secret, source.name, stamp, utc_now()) if isinstance(stamp, str) else None
        return visitor._replace(
            honeypot=robot,
            fill_s=fill,
            least_fill_s=source.least_fill_s,
            forged=bool(stamp) and fill is None,
        )


def _may_post(source: Source, headers: Mapping[bytes, bytes]) -> bool:
    origin = headers.get(b"origin")
    return origin is None or source.allows(origin.decode("latin-1")) or _from_hosted(source, headers)


def _from_hosted(source: Source, headers: Mapping[bytes, bytes]) -> bool:
    """Whether it was sent from our hosted form. Behind a proxy, only the browser may know."""
    if source.form is None:
        return False
    if headers.get(b"sec-fetch-site") == b"same-origin":
        return True
    host = headers.get(b"origin", b"").partition(b"://")[2].lower()
    return bool(host) and host == headers.get(b"host", b"").lower()


def _to_correct(request: Request, source: Source, form: Mapping[str, object], wrong: Sequence[Wrong]) -> Answer:
    """Show our own form again as filled in; another page's form is still there, behind the back button."""
    hosted, framed = source.form, _framed(request)
    if hosted is None or not _from_hosted(source, request.headers):
        language = _language(request)
        if all(each.at in ("", "/") for each in wrong):  # of how the page sends it, not of what was typed
            return Answer(422, pages.closed(language=language, framed=framed), pages.HEADERS)
        return Answer(422, pages.wrong(wrong, language=language, framed=framed), pages.HEADERS)
    sent = {name: value for name, value in form.items() if isinstance(value, str)}
    hidden = {name: sent[name] for name in (*CAMPAIGN, "page", STAMP) if name in sent}
    page = pages.hosted(hosted, action=source.name, hidden=hidden, framed=framed, typed=sent, wrong=wrong)
    headers = pages.hosted_headers(hosted, source.frames)
    return Answer(422, page, (_HTML, *((name.encode(), value.encode()) for name, value in headers.items())))


def _accept(request: Request) -> bytes:
    return request.headers.get(b"accept", b"")


def _wants_json(request: Request) -> bool:
    return request.content_type == b"application/json" or b"application/json" in _accept(request)


def _language(request: Request) -> str:
    """The language of our own form; otherwise the one that the browser asks for."""
    if request.source is not None and request.source.form is not None:
        return request.source.form.language
    return language_asked(request.headers.get(b"accept-language", b"").decode("latin-1"))


def _framed(request: Request) -> bool:
    return request.headers.get(b"sec-fetch-dest") == b"iframe"
