"""Access: write keys, what each kind of source may send, and how often."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from services.ingest.config.source import Intake, Source, Sources
from services.ingest.domain.fact import Fact
from services.ingest.domain.segment.names import LEAD
from services.ingest.http.exchange import Request
from services.ingest.http.limits import Limits
from shared.http.problems import Problem

_CHALLENGE: Final[Mapping[str, str]] = {"WWW-Authenticate": 'Basic realm="firsthour", Bearer'}


class Door:
    """Finds the source of a request and admits it, or raises why not."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        """`limits` counts per source, per address, and the wrong keys of an address."""
        self._sources = sources
        self._limits = limits
        self._in_public: dict[tuple[str, bool], Source] = {}  # by name, and whether without its key

    def by_key(self, request: Request, intake: Intake, in_body: object = None) -> Source:
        """The source of the request's write key. Raises Problem 401, 403 or 429."""
        key = write_key(request.headers.get(b"authorization"))
        if key is None and isinstance(in_body, str):
            key = in_body.encode("utf-8", "replace")
        return self._with_key(request, intake, key)

    def _with_key(self, request: Request, intake: Intake, key: bytes | None) -> Source:
        if key is None:
            raise Problem(
                401,
                "A write key is needed",
                "Send it as `Authorization: Bearer <key>`, or as the user name of HTTP Basic.",
                headers=_CHALLENGE,
            )
        source = self.opened_by(key, request.address)
        if source is None:
            raise Problem(401, "This write key is not known", headers=_CHALLENGE)
        if _from_a_page(request.headers):  # there everybody can read the key
            source = self._as_in_public(source, keyless=False)
        if not source.may(intake):
            raise _forbidden(source)
        request.admitted(source)
        self._limits.admit(source, request.address)
        return source

    def by_header(self, request: Request, intake: Intake) -> Source | None:
        """Like `by_key`, before the body is read; None when only the body can hold the key."""
        key = write_key(request.headers.get(b"authorization"))
        if key is None:
            self._limits.guessing(request.address)
            return None
        return self._with_key(request, intake, key)

    def opened_by(self, key: bytes, address: str) -> Source | None:
        """The source of a write key; a wrong one is counted. Raises Problem 429 when there were too many."""
        self._limits.guessing(address)
        source = self._sources.by_key(key)
        if source is None:
            self._limits.guessed_wrong(address)
        return source

    def guessing(self, address: str) -> None:
        """Raises Problem 429, before the secret is checked, if the address has sent too many wrong ones."""
        self._limits.guessing(address)

    def guessed_wrong(self, address: str) -> None:
        """Count a wrong secret. Raises Problem 429 when there were too many."""
        self._limits.guessed_wrong(address)

    def count(self, request: Request, source: Source, fact: Fact) -> None:
        """As `counted`, for the only fact of a request."""
        if fact.type == LEAD:
            self._limits.leads(source, request.address, 1)

    def counted(self, request: Request, source: Source, facts: Iterable[Fact]) -> Iterator[Fact]:
        """The facts; once exhausted, before any is stored, their leads are counted. Raises Problem 429."""
        leads = 0
        for fact in facts:
            leads += fact.type == LEAD
            yield fact
        self._limits.leads(source, request.address, leads)

    def by_name(self, request: Request, intake: Intake) -> Source | None:
        """The source named in the path, if it may send this. Raises Problem 429."""
        source = self._sources.by_name.get(request.name)
        if source is None or not source.may(intake):
            return None
        if intake != "hook":
            source = self._as_in_public(source, keyless=True)
        request.source = source
        self._limits.admit(source, request.address)
        if intake == "form":
            self._limits.leads(source, request.address, 1)
        return source

    def _as_in_public(self, source: Source, *, keyless: bool) -> Source:
        """The source as a public one, made once."""
        known = self._in_public.get((source.name, keyless))
        if known is None:
            known = self._in_public[source.name, keyless] = source.in_public(keyless=keyless)
        return known

    def origins_for(self, source: Source | None) -> frozenset[str]:
        """The origins that may read the response; empty: any."""
        return source.origins if source is not None else self._sources.origins


def _from_a_page(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a web page sent this: the browser says so, and a page cannot forge it."""
    return b"origin" in headers or b"sec-fetch-site" in headers


def _forbidden(source: Source) -> Problem:
    if source.kind == "api":
        text = "Send it from a server: whoever sees the page has the key."
        return Problem(403, "A page may not send this", text)
    return Problem(403, f"A source of kind {source.kind} may not send this", "See the kinds in sources.yaml.")


def write_key(authorization: bytes | None) -> bytes | None:
    """The key in an Authorization header: a bearer token, or the user name of HTTP Basic."""
    if authorization is None:
        return None
    scheme, _, rest = authorization.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return rest.strip() or None
    if scheme == b"basic":
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[0] or None
        except binascii.Error:
            return None
    return None
