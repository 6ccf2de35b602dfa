"""The HTTP API of nurture: what runs, what was sent, what there is to do, and the few things a person may change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture.api.schemas import (
    BECAUSE,
    AttemptOut,
    DeliveryOut,
    EndpointOut,
    EnrolmentOut,
    Listed,
    RefusalOut,
    TaskDone,
    TaskOut,
    Window,
    enrolment_out,
    masked_attempt,
    masked_delivery,
    masked_task,
    task_out,
    window_out,
)
from services.nurture.channels.channel import Channel
from services.nurture.config import Endpoints
from services.nurture.domain.deliveries.delivery import State, TaskState
from services.nurture.domain.enrolment import Status
from services.nurture.domain.entry import Reason
from services.nurture.facts import FactMaker
from services.nurture.language.versions import Versions
from services.nurture.runs.touches import finish_task
from services.nurture.store import endpoints as store_endpoints
from services.nurture.store import lists as store_lists
from services.nurture.store.lists import Page, Row
from shared import clock
from shared.db.tables import audit
from shared.http.auth import Grant, Tokens
from shared.http.cursor import Cursor, encode_cursor, moment, read_cursor, row_id
from shared.http.problems import Problem
from shared.http.queries import without_nul
from shared.tokens import Actor

_Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page.")]
_Contact = Annotated[UUID | None, Query(description="Only of this contact.")]
_Name = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API works on. `wake` is called with queues that have new rows, `on_facts` after a fact."""

    engine: AsyncEngine
    tokens: Tokens
    endpoints: Endpoints
    facts: FactMaker
    versions: Versions
    wake: Callable[[Iterable[str]], None]
    on_facts: Callable[[], None]


def routes(parts: Parts) -> APIRouter:
    """Every path under /v1."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(without_nul)])
    _runs(router, parts)
    _deliveries(router, parts)
    _tasks(router, parts)
    _endpoints(router, parts)
    return router


def _runs(router: APIRouter, parts: Parts) -> None:
    engine, read = parts.engine, [Depends(parts.tokens.read)]

    @router.get("/enrolments", dependencies=read, tags=["runs"])
    async def enrolments(
        contact: _Contact = None,
        workflow: _Name = None,
        status: Status | None = None,
        parked: Annotated[bool | None, Query(description="Only those that are parked, or only the others.")] = None,
        limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Listed[EnrolmentOut]:
        """Enrolments, newest first."""
        async with engine.connect() as conn:
            rows = await store_lists.enrolments(
                conn, _page(limit, cursor), parked=parked, contact_id=contact, workflow=workflow, status=status
            )
        now = clock.utc_now()
        return Listed(items=[enrolment_out(row, now) for row in rows], next=_next(rows, limit, "started_at"))

    @router.get("/refusals", dependencies=read, tags=["runs"])
    async def refusals(
        contact: _Contact = None,
        workflow: _Name = None,
        reason: Reason | None = None,
        limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Listed[RefusalOut]:
        """Leads of the last 30 days that were not followed up by any workflow, and why; newest first."""
        async with engine.connect() as conn:
            rows = await store_lists.refusals(
                conn, _page(limit, cursor), contact_id=contact, workflow=workflow, reason=reason
            )
        return Listed(
            items=[RefusalOut(**dict(row), because=BECAUSE[row["reason"]]) for row in rows],
            next=_next(rows, limit, "refused_at"),
        )

    @router.get("/windows", dependencies=read, tags=["runs"])
    async def windows(
        contact: _Contact = None,
        workflow: _Name = None,
        state: Literal["open", "missed", "stopped"] = "open",
        limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Listed[Window]:
        """First-hour clocks: the open ones, the one that closes next first; or those missed or stopped."""
        async with engine.connect() as conn:
            rows = await store_lists.windows(conn, _page(limit, cursor), state, contact_id=contact, workflow=workflow)
        now = clock.utc_now()
        key = "window_closes_at" if state == "open" else "started_at"
        return Listed(items=[window_out(row, now) for row in rows], next=_next(rows, limit, key))


def _deliveries(router: APIRouter, parts: Parts) -> None:
    engine = parts.engine
    Seen = Annotated[Grant, Depends(parts.tokens.read)]  # noqa: N806 - a type
    By = Annotated[Actor, Depends(parts.tokens.actor)]  # noqa: N806 - a type

    def shown(row: Row, seen: Grant) -> DeliveryOut:
        delivery = DeliveryOut.model_validate(dict(row))
        return delivery if seen.pii else masked_delivery(delivery)

    @router.get("/deliveries", tags=["deliveries"])
    async def deliveries(
        seen: Seen,
        contact: _Contact = None,
        enrolment: UUID | None = None,
        endpoint: _Name = None,
        state: State | None = None,
        limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Listed[DeliveryOut]:
        """Deliveries, newest first."""
        async with engine.connect() as conn:
            rows = await store_lists.deliveries(
                conn,
                _page(limit, cursor),
                contact_id=contact,
                enrolment_id=enrolment,
                endpoint=endpoint,
                state=state,
            )
        return Listed(items=[shown(row, seen) for row in rows], next=_next(rows, limit))

    @router.get("/deliveries/{delivery_id}/attempts", tags=["deliveries"])
    async def attempts(seen: Seen, delivery_id: UUID) -> Listed[AttemptOut]:
        """Every attempt of one delivery, with the start of what the receiver answered."""
        async with engine.connect() as conn:
            if await store_lists.delivery(conn, delivery_id) is None:
                raise Problem(404, "There is no such delivery")
            rows = await store_lists.attempts(conn, delivery_id)
        items = [AttemptOut.model_validate(dict(row)) for row in rows]
        return Listed(items=items if seen.pii else [masked_attempt(each) for each in items])

    @router.post("/deliveries/{delivery_id}/replay", tags=["deliveries"])
    async def replay(by: By, seen: Seen, delivery_id: UUID) -> DeliveryOut:
        """Send a finished delivery once more, under the same webhook-id."""
        async with engine.begin() as conn:
            endpoint = await store_lists.replay(conn, delivery_id)
            row = await store_lists.delivery(conn, delivery_id)
            if endpoint is not None and row is not None:
                await _note(conn, by, "delivery replayed", delivery_id, row["contact_id"])
        if row is None:
            raise Problem(404, "There is no such delivery")
        if endpoint is None:
            raise Problem(409, "This delivery is still under way", "Only a finished one can be replayed.")
        parts.wake([endpoint])
        return shown(row, seen)


def _tasks(router: APIRouter, parts: Parts) -> None:
    engine = parts.engine
    Seen = Annotated[Grant, Depends(parts.tokens.read)]  # noqa: N806 - a type
    By = Annotated[Actor, Depends(parts.tokens.actor)]  # noqa: N806 - a type

    def shown(row: Row, seen: Grant) -> TaskOut:
        return task_out(row) if seen.pii else masked_task(task_out(row))

    @router.get("/tasks", tags=["tasks"])
    async def tasks(
        seen: Seen,
        contact: _Contact = None,
        rep: _Name = None,
        state: TaskState | None = None,
        limit: _Limit = 50,
        cursor: Cursor = None,
    ) -> Listed[TaskOut]:
        """Tasks for people, newest first."""
        async with engine.connect() as conn:
            rows = await store_lists.tasks(conn, _page(limit, cursor), contact_id=contact, rep=rep, state=state)
        return Listed(items=[shown(row, seen) for row in rows], next=_next(rows, limit))

    @router.post("/tasks/{task_id}/done", tags=["tasks"])
    async def done(by: By, seen: Seen, task_id: UUID, body: TaskDone) -> TaskOut:
        """A person got in touch, or tried: the task is done, and the first-hour clock stops. Safe to repeat."""
        async with engine.begin() as conn:
            done_before = await store_lists.task(conn, task_id)
            sendable = await finish_task(
                conn,
                task_id,
                who=body.who,
                outcome=body.outcome,
                channel=body.channel,
                note=body.note,
                versions=parts.versions,
                endpoints=parts.endpoints,
                facts=parts.facts,
            )
            row = await store_lists.task(conn, task_id)
            if row is not None and done_before is not None and row["state"] != done_before["state"]:
                await _note(conn, by, f"task {row['state']}", task_id, row["contact_id"])
        if row is None:
            raise Problem(404, "There is no such task")
        if row["state"] == "cancelled":
            raise Problem(409, "This task was cancelled", "The enrolment that it belonged to has ended.")
        parts.wake(sendable)
        parts.on_facts()
        return shown(row, seen)


def _endpoints(router: APIRouter, parts: Parts) -> None:
    engine, endpoints = parts.engine, parts.endpoints
    read = [Depends(parts.tokens.read)]
    By = Annotated[Actor, Depends(parts.tokens.actor)]  # noqa: N806 - a type
    queues = endpoints.queues()
    names = list(queues)

    @router.get("/endpoints", dependencies=read, tags=["endpoints"])
    async def list_endpoints() -> Listed[EndpointOut]:
        """Where follow-ups go: what waits, and what is disabled or slowed down."""
        async with engine.connect() as conn:
            rows = await store_lists.endpoints(conn, names)
        return Listed(items=[_endpoint(row, queues) for row in rows])

    @router.post("/endpoints/{name}/enable", tags=["endpoints"])
    async def enable(by: By, name: str) -> EndpointOut:
        """Enable the endpoint, so that waiting deliveries are sent again."""
        if name not in names:
            raise Problem(404, "There is no such endpoint")
        async with engine.begin() as conn:
            await store_endpoints.enable(conn, name)
            await _note(conn, by, "endpoint enabled", name)
            rows = await store_lists.endpoints(conn, [name])
        parts.wake([name])
        return _endpoint(rows[0], queues)


async def _note(conn: AsyncConnection, by: Actor, action: str, subject: object, contact: UUID | None = None) -> None:
    await audit.note(conn, clock.new_id(), clock.utc_now(), by, action, contact=contact, subject=str(subject))


def _endpoint(row: Row, queues: Mapping[str, Channel]) -> EndpointOut:
    return EndpointOut(kind=queues[row["name"]].name, **dict(row))


def _page(limit: int, cursor: str | None) -> Page:
    if cursor is None:
        return Page(limit, None)
    at, identifier = read_cursor(cursor, moment, row_id)
    return Page(limit, (at, identifier))


def _next(rows: Sequence[Row], limit: int, key: str = "created_at") -> str | None:
    if len(rows) < limit:
        return None
    return encode_cursor(rows[-1][key], rows[-1]["id"])
