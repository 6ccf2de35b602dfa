"""`POST /hooks/<source>`: other services' webhooks.

What a sender is answered when a webhook is truly its own, but cannot be read: 2xx, with an error in the log and
`firsthour_ingest_hooks{result="refused"}` to alarm on. It would send the same bytes again and again and in the end turn
the webhook off (Shopify deletes it after eight tries), and that costs every later order. Only `generic` answers 422:
there the mapping is the operator's own, and who writes it is who reads the answer.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter

from services.ingest.accept.intake import Intake
from services.ingest.config.hooks import HookSettings
from services.ingest.config.source import Source
from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.forms.body import parse_form, parse_multipart
from services.ingest.domain.forms.shape import unflat
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, ToFetch, Unverified
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.http.access import Door
from services.ingest.http.body import MOST_VALUES_OF_BATCH, decode_json
from services.ingest.http.exchange import Answer, Request
from services.ingest.http.refusals import field_shown
from services.ingest.proofs import Proofs
from shared import log
from shared.clock import utc_now
from shared.errors import Permanent, Transient
from shared.http.problems import Problem

Fetch = Callable[[Source, ToFetch], Awaitable[Fact]]

_LOG = log.get(__name__)
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9_./:-]+")
_LONGEST_NAME: Final = 80
_FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_LIKE_A_FORM: Final = re.compile(rb"[A-Za-z0-9_.%\[\]-]{1,200}=")
_MOST_FIELDS: Final = 1000
_RETRY: Final = {"Retry-After": "5"}


class Hooks:
    """Verifies, reads and takes what the senders of `domain/hooks` send."""

    def __init__(
        self,
        door: Door,
        intake: Intake,
        *,
        largest: int,
        registry: CollectorRegistry,
        public_url: str | None = None,
        fetch: Fetch | None = None,
        proofs: Proofs,
    ) -> None:
        """`largest`: bytes of a body. `public_url`: of ingest, without a path of ours; None: as each request says.

        `fetch` gets a lead that is named by its id only; it raises Transient to be sent the webhook again.
        """
        self._door = door
        self._intake = intake
        self._largest = largest
        self._public_url = public_url.rstrip("/") if public_url is not None else None
        self._fetch = fetch
        self._proofs = proofs
        self._count = Counter(
            "firsthour_ingest_hooks", "Webhooks of other services.", ["sender", "result"], registry=registry
        )

    async def take(self, request: Request) -> Answer:
        """The answer that the sender wants, once all that the webhook says is safe."""
        source = self._door.by_name(request, "hook")
        hook = SENDERS.get(source.kind) if source is not None else None
        if source is None or source.hook is None or hook is None or not _at_home(request, hook, source.hook):
            raise Problem(404, "There is no such webhook", "The name in the path is that of a source in sources.yaml.")
        told = hook.told or _tells(source.hook.options)
        if told:
            self._door.guessing(request.address)
        try:
            body = await request.body(self._most_of(hook, source.hook, request))
            incoming = Incoming(_headers(request), body, self._url(request), utc_now())
            hook.verify(incoming, source.hook.secrets, source.hook.options)
        except Unverified as unverified:
            self._count.labels(sender=hook.kind, result="unverified").inc()
            if told:
                self._door.guessed_wrong(request.address)
            raise Problem(401, "The webhook's signature does not prove its sender", str(unverified)) from None
        request.admitted(source)
        try:
            document = _decoded(request, body)
            proven = await self._proven(hook, source.hook, incoming, document)
            reading = hook.read(incoming, document, source.hook.options)
            result = await self._take(source, reading, request, proven=proven)
            if reading.refused:  # the others are accepted: receiving all of them again would help nobody
                result = _refused(source, request, reading.refused)
        except (Refused, Permanent) as error:
            result = _refused(source, request, error.wrong if isinstance(error, Refused) else [])
            if hook.kind == "generic":
                self._count.labels(sender=hook.kind, result=result).inc()
                raise
        else:
            if reading.answer is not None:
                self._count.labels(sender=hook.kind, result=result).inc()
                return Answer(200, reading.answer)
        self._count.labels(sender=hook.kind, result=result).inc()
        return Answer(hook.status, hook.body)

    async def _proven(self, hook: Hook, settings: HookSettings, incoming: Incoming, document: Any) -> bool:
        """Whether a public key proves it; False where none was asked for. Raises Problem 401 and 503."""
        try:
            signed = hook.signed(incoming, document, settings.options)
            if signed is not None:
                await self._proofs.check(signed)
        except Unverified as unverified:
            self._count.labels(sender=hook.kind, result="unverified").inc()
            raise Problem(401, "The webhook's signature does not prove its sender", str(unverified)) from None
        except Transient as error:
            _LOG.warning("hook_not_proven", sender=hook.kind, reason=log.reason(error))
            raise Problem(503, "The signature cannot be checked now", "Send it again.", headers=_RETRY) from None
        return signed is not None

    def _most_of(self, hook: Hook, settings: HookSettings, request: Request) -> int:
        """How many bytes of the body are read. Raises Unverified when there is no signature to hold against it."""
        if hook.early or _tells(settings.options):  # then the body says nothing of it
            early = Incoming(_headers(request), b"", self._url(request), utc_now())
            hook.verify(early, settings.secrets, settings.options)
        signature = settings.options.get("signature")
        header = hook.header if signature is None else signature.header
        if not header or header.encode("latin-1") in request.headers:
            return self._largest
        declared = request.headers.get(b"content-length", b"")
        if not declared.isdigit() or int(declared) > hook.unsigned:
            raise Unverified(f"the header {header} is missing")
        return hook.unsigned

    async def _take(self, source: Source, reading: Reading, request: Request, *, proven: bool) -> str:
        """What came of it, for the counter. Raises Refused, Permanent, and Problem 503."""
        if reading.ignored:
            names = [_NOT_A_NAME.sub("", each)[:_LONGEST_NAME] for each in reading.ignored[:10]]
            _LOG.info("hook_ignored", source=source.name, types=names)
        if reading.to_confirm is not None:
            await self._confirm(source, reading.to_confirm, proven=proven and not reading.ended)
        if reading.facts:
            await self._intake.accept(source, reading.facts, request.traceparent)
        if reading.fetch:
            await self._take_fetched(source, reading.fetch, request)
        return "taken" if reading.facts or reading.fetch else "ignored"

    async def _confirm(self, source: Source, link: str, *, proven: bool) -> None:
        """Open the link, where a signature shows whose it is; else somebody has to."""
        if not proven:
            _LOG.warning("hook_to_confirm", source=source.name, open_this_link_once=link)
            return
        try:
            await self._proofs.confirm(link)
        except Transient as error:
            _LOG.warning("hook_not_confirmed", source=source.name, reason=log.reason(error))
            raise Problem(503, "It could not be confirmed now", "Send it again.", headers=_RETRY) from None
        _LOG.info("hook_confirmed", source=source.name)

    async def _take_fetched(self, source: Source, leads: Sequence[ToFetch], request: Request) -> None:
        """Fetches all at once, since the sender waits; one that cannot be had keeps none of the others away."""

        async def take(lead: ToFetch) -> None:
            if self._fetch is None:
                raise Transient("nothing here fetches leads")
            await self._intake.accept(source, [await self._fetch(source, lead)], request.traceparent)

        errors = await asyncio.gather(*(take(lead) for lead in leads), return_exceptions=True)
        for error in sorted(filter(None, errors), key=lambda each: isinstance(each, Refused | Permanent)):
            if isinstance(error, Transient):
                _LOG.warning("hook_not_fetched", source=source.name, reason=log.reason(error))
                raise Problem(503, "The lead could not be fetched now", "Send the webhook again.", headers=_RETRY)
            raise error

    def _url(self, request: Request) -> str:
        """The URL as the sender called it; what a proxy changed of it, `public_url` puts right."""
        scope = request.scope
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope.get("query_string", b"").decode("latin-1")
        host = request.headers.get(b"host", b"").decode("latin-1")
        base = self._public_url or f"{scope.get('scheme', 'http')}://{host}"
        return f"{base}{path}?{query}" if query else f"{base}{path}"


def _at_home(request: Request, hook: Hook, settings: HookSettings) -> bool:
    """Whether the path ends after the source's name, or may go on with a secret."""
    signature = settings.options.get("signature")
    return (
        hook.early or (signature is not None and signature.path) or request.scope["path"].endswith(f"/{request.name}")
    )


def _refused(source: Source, request: Request, wrong: Sequence[Wrong]) -> str:
    """Say what could not be read, without a value."""
    _LOG.error("hook_refused", source=source.name, fields=[field_shown(each.at) for each in wrong[:20]])
    request.refused = "unreadable_hook", wrong
    return "refused"


def _tells(options: Mapping[str, Any]) -> bool:
    """Whether a sender of kind generic sends the secret itself, in a header or the URL."""
    signature = options.get("signature")
    return signature is not None and signature.scheme == "token"


def _headers(request: Request) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}


def _decoded(request: Request, body: bytes) -> Any:
    """The body as JSON, whatever its content type says; a form as the object that its names say. Raises Refused."""
    kind = request.content_type
    if kind == _MULTIPART:
        return unflat(parse_multipart(body, request.headers[b"content-type"]))
    try:
        return decode_json(body, most=MOST_VALUES_OF_BATCH)
    except Problem:
        if kind == _FORM or _LIKE_A_FORM.match(body):
            return unflat(parse_form(body, request.headers.get(b"content-type", b""), most=_MOST_FIELDS))
        raise Refused([Wrong("/", "must be JSON, or a form")]) from None
