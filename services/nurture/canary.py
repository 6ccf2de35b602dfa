"""Sends the canary (shared/canary.py), and takes it back at a loop-back endpoint of our own.

Every minute a lead goes to ingest by HTTP, through Kafka and scoring to here, and on as a signed webhook to this very
process. It is in no table: what the database does to deliveries is watched by their own age (DeliveriesLate).
"""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Header, Request
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.nurture.certificate import trusted
from services.nurture.channels.webhook.connection import Answered
from services.nurture.channels.webhook.http_client import Line, Names, Reply
from services.nurture.channels.webhook.signature import signature, signed_headers
from shared import canary, clock, log
from shared.events.updates import UpdateEnvelope
from shared.http.problems import Problem
from shared.lead_hops import CanaryHops
from shared.runtime.deadlines import LOOK_S
from shared.runtime.pause import pause
from shared.runtime.stages import Task

_LOG = log.get(__name__)
PATH: Final = "/canary"
_JSON: Final = ("content-type", "application/json")
_MOST_WAITING: Final = 100
_TOLERANCE: Final = timedelta(minutes=5)
_LARGEST: Final = 1024
_ACCEPTED: Final = 202


class _Back(msgspec.Struct, frozen=True):
    """The body of its webhook: when it was sent."""

    sent: datetime


class Canary:
    """The canary of one process: `fly` and `bring_back` are tasks, `took` is called for each that scoring passed on."""

    def __init__(
        self,
        *,
        every_s: float,
        ingest: str,
        home: str,
        key_secret: bytes,
        hops: CanaryHops,
        registry: CollectorRegistry,
        closing: AsyncExitStack,
    ) -> None:
        """`ingest`: the URL where leads come in; `home`: that of this process. `closing` ends the connections."""
        self._every_s = every_s
        self._key = (("authorization", f"Bearer {canary.write_key(key_secret).decode()}"), _JSON)
        self._signed_with = (canary.return_key(key_secret),)
        self._hops = hops
        self._waiting: asyncio.Queue[UpdateEnvelope] = asyncio.Queue(_MOST_WAITING)
        names, tls = Names(), trusted()
        closing.callback(names.close)
        self._out = Line(f"{ingest}/v1/leads", names=names, tls=tls, allow_private=True, deadline_s=LOOK_S)
        self._back = Line(f"{home}{PATH}", names=names, tls=tls, allow_private=True, deadline_s=LOOK_S)
        for line in (self._out, self._back):
            closing.push_async_callback(line.aclose)
        interval = Gauge("firsthour_canary_interval_seconds", "How often a canary lead is sent.", registry=registry)
        interval.set(every_s)
        self._returned = Gauge(
            "firsthour_canary_last_returned_timestamp_seconds",
            "When the last canary lead was back (Unix time); until the first one, when the process began.",
            registry=registry,
        )
        self._returned.set(clock.utc_now().timestamp())
        self._failed = Counter(
            "firsthour_canary_failures",
            "Canary leads that did not get on, by where: `sent` (ingest did not take it), `returned`.",
            ["hop"],
            registry=registry,
        )
        for hop in ("sent", "returned"):
            self._failed.labels(hop)

    def tasks(self) -> Mapping[str, Task]:
        """What runs beside the service."""
        return {"canary": self._fly, "canary-back": self._bring_back}

    def took(self, update: UpdateEnvelope) -> None:
        """A canary has arrived from scoring."""
        if not self._waiting.full():
            self._waiting.put_nowait(update)

    async def _fly(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await pause(stopping, self._every_s)
            if stopping.is_set():
                return
            # Another address each time, and so another partition: no stalled one goes unnoticed.
            body = {
                "email": f"canary-{secrets.token_hex(4)}@example.com",
                "occurred_at": clock.utc_now(),
                "message_id": str(clock.new_id()),
            }
            self._said("sent", await self._out.post(msgspec.json.encode(body), self._key))

    async def _bring_back(self, stopping: asyncio.Event) -> None:
        stopped = asyncio.create_task(stopping.wait())
        try:
            while True:
                waiting = asyncio.create_task(self._waiting.get())
                await asyncio.wait([stopped, waiting], return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                await self._deliver(waiting.result())
        finally:
            stopped.cancel()

    async def _deliver(self, update: UpdateEnvelope) -> None:
        body = msgspec.json.encode(_Back(update.time))
        now = clock.utc_now()
        headers = signed_headers(self._signed_with, str(update.id), int(now.timestamp()), body)
        self._hops.passed("attempted", [update.time], now)
        self._said("returned", await self._back.post(body, (_JSON, *headers.items())))

    def _said(self, hop: str, reply: Reply) -> None:
        if isinstance(reply, Answered):
            if reply.status == _ACCEPTED:
                return
            reason = f"status {reply.status}"
        else:
            reason = reply.reason
        self._failed.labels(hop).inc()
        _LOG.warning("canary_not_taken", hop=hop, reason=reason)

    def home(self) -> APIRouter:
        """The loop-back endpoint: it refuses every other caller."""
        router = APIRouter()

        @router.post(PATH, status_code=_ACCEPTED, include_in_schema=False)
        async def back(
            request: Request,
            identifier: Annotated[str, Header(alias="webhook-id", max_length=64)],
            timestamp: Annotated[int, Header(alias="webhook-timestamp", ge=0, le=1 << 40)],
            signed: Annotated[str, Header(alias="webhook-signature", max_length=200)],
        ) -> None:
            body = await _body(request)
            now = clock.utc_now()
            right = signature(self._signed_with, identifier, timestamp, body)
            if not secrets.compare_digest(right.encode(), signed.encode()):
                raise Problem(401, "This is no canary of ours")
            if abs(now.timestamp() - timestamp) > _TOLERANCE.total_seconds():
                raise Problem(401, "This canary is too old")
            sent = msgspec.json.decode(body, type=_Back).sent
            self._hops.passed("delivered", [sent], now)
            self._returned.set(now.timestamp())

        return router


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise Problem(413, "This is no canary of ours")
    return body


def home_of(host: str, port: int) -> str:
    """The URL by which a service that listens there is reached on its own machine."""
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - recognised, not listened on
    own = any_address.get(host, host)
    return f"http://[{own}]:{port}" if ":" in own else f"http://{own}:{port}"
