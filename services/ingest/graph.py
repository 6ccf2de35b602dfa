"""Fetches a lead from Meta's Graph API. Beside `proofs` the only module of ingest with outgoing HTTP.

Every error is Transient: Meta repeats the webhook, less and less often, for 36 hours, which is the time to correct a
token. The token goes into a header and nowhere else.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from prometheus_client import CollectorRegistry, Counter

from services.ingest.config.source import Source
from services.ingest.domain.fact import Fact
from services.ingest.domain.hooks.hook import ToFetch
from services.ingest.domain.hooks.senders.meta import FIELDS, read_meta_lead
from shared import log
from shared.errors import Transient
from shared.runtime.deadlines import ASKED_BACK_S

LONGEST_ANSWER: Final = 65_536
_TOKEN_ERRORS: Final = frozenset({102, 190})  # the session is over; the token has expired, was revoked or is wrong
_MOST_CONNECTIONS: Final = 20
_LOG = log.get(__name__)
_DECODER: Final = msgspec.json.Decoder()


class Graph:
    """One Graph API, for the leads of all sources of kind meta."""

    def __init__(self, base: str, registry: CollectorRegistry, *, deadline_s: float = ASKED_BACK_S) -> None:
        """`base`: with the version, as in https://graph.facebook.com/v23.0. Nothing connects before the first lead."""
        self._base = base.rstrip("/")
        self._deadline_s = deadline_s
        self._client = httpx.AsyncClient(
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "firsthour"},
            timeout=deadline_s,
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
        )
        self._fetches = Counter(
            "firsthour_ingest_meta_fetches", "Leads asked of Meta's Graph API.", ["source", "result"], registry=registry
        )

    async def fetch(self, source: Source, wanted: ToFetch) -> Fact:
        """The lead. Raises Transient when it cannot be fetched now, and Refused when there is nobody to answer."""
        assert source.hook is not None
        options = source.hook.options
        try:
            async with asyncio.timeout(self._deadline_s):
                status, body = await self._get(wanted.lead_id, options["access_token"])
        except (TimeoutError, httpx.TimeoutException):
            raise self._failed(source, "timeout", f"no answer within {self._deadline_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(source, "unreachable", type(error).__name__) from None
        answer = _object(body)
        code = _error_code(answer)
        if code in _TOKEN_ERRORS or status == httpx.codes.UNAUTHORIZED:
            _LOG.error("meta_token_refused", source=source.name, status=status, code=code)
            raise self._failed(source, "token_refused", "the access token is refused; make a new one")
        if status != httpx.codes.OK:
            reason = f"status {status}" if code is None else f"status {status}, error {code}"
            raise self._failed(source, "error", reason)
        if answer is None or code is not None:
            raise self._failed(source, "unreadable", f"not a JSON object of at most {LONGEST_ANSWER} bytes")
        self._count(source, "fetched")
        return read_meta_lead(answer, wanted, options)

    async def close(self) -> None:
        await self._client.aclose()

    async def _get(self, lead_id: str, token: str) -> tuple[int, bytes]:
        """The status and the body; of a body that is too long, or packed though we asked for it plain, nothing."""
        url = f"{self._base}/{lead_id}?fields={','.join(FIELDS)}"
        async with self._client.stream("GET", url, headers={b"authorization": b"Bearer " + token.encode()}) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                return response.status_code, b""
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    return response.status_code, b""
            return response.status_code, bytes(body)

    def _failed(self, source: Source, result: str, reason: str) -> Transient:
        self._count(source, result)
        return Transient(f"Graph API: {reason}")

    def _count(self, source: Source, result: str) -> None:
        self._fetches.labels(source=source.name, result=result).inc()


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _error_code(answer: Mapping[str, Any] | None) -> int | None:
    """Meta's number of the error; 0 for one without a number; None when there is no error."""
    error = None if answer is None else answer.get("error")
    if error is None:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 0
