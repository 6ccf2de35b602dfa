"""What the values rest on: the learnt models, how well they are calibrated, and the response curve, as data."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain.model.queue_settings import OF_CUSTOMERS, FittedCurve, QueueSettings, ResponseCurve
from services.scoring.domain.queue import survival
from services.scoring.models import InForce
from services.scoring.store import models as store
from services.scoring.store.models import StoredModel
from shared.http.auth import Tokens
from shared.http.problems import Problem
from shared.http.queries import without_nul

_MOST: Final = 100
_MINUTES: Final = (0, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 240, 480, 720, 1440)


class ModelItem(BaseModel):
    """A learnt model. `metrics`: how it did on what its fit had not seen."""

    version: str
    kind: str
    state: Annotated[str, Field(description="champion (in force), challenger (not better), retired")]
    rows: Annotated[int, Field(description="leads or customers that it was fitted on")]
    trained_until: datetime
    made_at: datetime
    said: str
    metrics: dict[str, Any]


class Models(BaseModel):
    """The latest fits, the newest first. `in_force`: the version that values carry; it names the settings first."""

    in_force: str
    items: list[ModelItem]


class Bin(BaseModel):
    """Leads of similar predictions: what was predicted, and what came with its 95 % interval (Wilson)."""

    count: int
    predicted: float
    observed: float
    low: float
    high: float


class Calibration(BaseModel):
    """How predicted and observed conversion agree, on leads that the fit had not seen."""

    version: str
    rows: int
    ece: float
    bins: list[Bin]


class Point(BaseModel):
    """What share of a lead's chance is left after so many minutes."""

    minutes: int
    left: float
    low: Annotated[float | None, Field(description="95 % interval, where the curve was fitted")]
    high: float | None


class Fitted(BaseModel):
    """How much steeper than the curve in scoring.yaml one's own leads cool, with its 95 % interval."""

    steepness: Annotated[float, Field(description="1: as steep; 2: twice; 0.5: half")]
    low: float
    high: float
    answers: Annotated[int, Field(description="leads that it was learnt from: answered, and their outcome known")]
    bought: int
    made_at: datetime
    in_force: Annotated[bool, Field(description="false: too little to learn from, or `response.learn` is off")]


class Curve(BaseModel):
    """S(t) = phi + (1 - phi)(1 + t / tau)^-beta, t in minutes: as set in scoring.yaml (`response`), or as fitted."""

    phi: float
    tau: float
    beta: float
    points: list[Point]
    fitted: Annotated[Fitted | None, Field(description="null: nobody who was answered has bought yet")]


class Curves(Curve):
    """The curve of all leads, but those of sources with one of their own, and that of customers who are overdue."""

    sources: dict[str, Curve]
    customers: Annotated[Curve | None, Field(description="null: they are not in the queue")]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/models")
    async def all_models() -> Models:
        """The learnt models, and the versions in force."""
        async with engine.connect() as conn:
            found = await store.newest(conn, _MOST)
        return Models(in_force=models.model.lead_version, items=[_item(each) for each in found])

    @router.get("/models/{version}/calibration")
    async def calibration(version: Annotated[str, Path(max_length=100)]) -> Calibration:
        """The reliability table of a lead model."""
        async with engine.connect() as conn:
            found = await store.one(conn, version)
        if found is None:
            raise Problem(404, "There is no such model")
        if found.kind != "lead":
            raise Problem(404, "A customer model has no reliability table")
        said = found.metrics
        return Calibration(version=version, rows=said["rows"], ece=said["ece"], bins=said["calibration"])

    @router.get("/response-curve")
    async def response_curve() -> Curves:
        """How the chance fades with the minutes until somebody answers."""
        queue = models.model.queue
        return Curves(
            **_points(queue, "").model_dump(),
            sources={name: _points(queue, name) for name in sorted(queue.curves)},
            customers=_points(queue, OF_CUSTOMERS) if queue.customers.saved else None,
        )

    return router


def _points(queue: QueueSettings, name: str) -> Curve:
    curve, fitted = queue.curve(name), queue.fitted.get(name)
    in_force = fitted is not None and queue.takes(fitted)
    points = []
    for minutes in _MINUTES:
        point = Point(minutes=minutes, left=_left(curve, minutes), low=None, high=None)
        if fitted is not None and in_force:  # the steeper it is, the less is left
            point.low = _left(fitted.set.steeper(fitted.high), minutes)
            point.high = _left(fitted.set.steeper(fitted.low), minutes)
        points.append(point)
    said = _fitted(fitted, in_force=in_force) if fitted is not None else None
    return Curve(phi=curve.phi, tau=curve.tau, beta=curve.beta, points=points, fitted=said)


def _left(curve: ResponseCurve, minutes: int) -> float:
    return round(survival(curve, minutes), 6)


def _fitted(fitted: FittedCurve, *, in_force: bool) -> Fitted:
    return Fitted(
        steepness=fitted.steepness, low=fitted.low, high=fitted.high, answers=fitted.answers,
        bought=fitted.bought, made_at=fitted.made_at, in_force=in_force,
    )  # fmt: skip


def _item(model: StoredModel) -> ModelItem:
    return ModelItem(
        version=model.version,
        kind=model.kind,
        state=model.state,
        rows=model.rows,
        trained_until=model.trained_until,
        made_at=model.made_at,
        said=model.said,
        metrics={name: value for name, value in model.metrics.items() if name != "calibration"},
    )
