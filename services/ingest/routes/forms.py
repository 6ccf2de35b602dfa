"""`POST /f/<source>`: what a web form sends."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter

from services.ingest import pages
from services.ingest.body import decode_object
from services.ingest.domain.fact import Refused
from services.ingest.domain.form import caught, parse_form, read_form
from services.ingest.door import Door
from services.ingest.exchange import Answer, Request, accepted
from services.ingest.intake import Intake
from shared.clock import new_id
from shared.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Forms:
    """A form of any page that the source allows."""

    def __init__(self, door: Door, intake: Intake, *, largest: int, registry: CollectorRegistry) -> None:
        """`largest`: bytes of a body."""
        self._door = door
        self._intake = intake
        self._largest = largest
        self._robots = Counter("firsthour_ingest_honeypot", "Forms that only a robot fills in so.", registry=registry)

    async def take(self, request: Request) -> Answer:
        """A page for a person, JSON for a program."""
        source = self._door.by_name(request, "form")
        if source is None:
            raise Problem(404, "There is no such form", "The name in the path is that of a source of kind form.")
        origin = request.headers.get(b"origin")
        if origin is not None and source.origins and origin.decode("latin-1").lower() not in source.origins:
            raise Problem(403, "This page may not use this form", "Add its origin to the source's `origins`.")
        wants_json = b"application/json" in request.headers.get(b"accept", b"")
        body = await request.body(self._largest)
        form: Mapping[str, object]
        try:
            if request.content_type == b"application/x-www-form-urlencoded":
                form = parse_form(body)
            elif request.content_type == b"application/json":
                form, wants_json = decode_object(body), True
            else:
                raise Problem(415, "This content type is not taken", "Send the form url-encoded, or JSON.")
            if caught(form):  # looks successful, so that the robot learns nothing
                self._robots.inc()
                answer = accepted(new_id())
            else:
                fact = request.named(read_form(form, source.fields, name=source.name))
                (identifier,) = await self._intake.accept(source, (fact,), request.traceparent)
                answer = accepted(identifier)
        except Refused as refused:
            if wants_json:
                raise
            return Answer(422, pages.wrong(refused.wrong), pages.HEADERS)
        if wants_json:
            return answer
        if source.redirect is not None:
            return Answer(303, b"", ((b"location", source.redirect.encode()),))
        return Answer(200, pages.thanks(), pages.HEADERS)
