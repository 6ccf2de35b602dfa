"""`POST /v1/leads` and `/v1/purchases`."""

from collections.abc import Callable

from services.ingest.accept.intake import Intake
from services.ingest.config.source import Intake as IntakeKind
from services.ingest.domain.fact import Fact
from services.ingest.domain.plain.leads import read_lead, read_purchase
from services.ingest.domain.plain.typed_lead import read_typed_lead
from services.ingest.http.access import Door
from services.ingest.http.body import decode_object
from services.ingest.http.exchange import Answer, Request, accepted
from shared.http.problems import Problem


class Plain:
    """Our own JSON."""

    def __init__(self, door: Door, intake: Intake, *, largest: int) -> None:
        """`largest`: bytes of a body."""
        self._door = door
        self._intake = intake
        self._largest = largest

    async def lead(self, request: Request) -> Answer:
        return await self._one(request, "lead", _lead)

    async def purchase(self, request: Request) -> Answer:
        return await self._one(request, "purchase", _purchase)

    async def _one(self, request: Request, kind: IntakeKind, read: Callable[[bytes, str | None], Fact]) -> Answer:
        source = self._door.by_key(request, kind)
        content_type = request.content_type
        if content_type not in (b"application/json", b"") and not content_type.endswith(b"+json"):
            raise Problem(415, "This content type is not accepted", "Send JSON, with `Content-Type: application/json`.")
        fact = request.named(read(await request.body(self._largest), source.country))
        self._door.count(request, source, fact)
        (identifier,) = await self._intake.accept(source, (fact,), request.traceparent, request.visitor)
        return accepted(identifier)


def _lead(body: bytes, country: str | None) -> Fact:
    return read_typed_lead(body) or read_lead(decode_object(body), country)


def _purchase(body: bytes, _country: str | None) -> Fact:
    return read_purchase(decode_object(body))
