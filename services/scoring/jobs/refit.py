"""Refits the models: each night, and whenever enough leads have converted. Each hour the lead model learns online.

A child process does either, at low priority, so that numpy and scipy are never loaded here. Of several scoring
processes one fits at a time; the time of the last try is in the database.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain.model.learnt import KINDS
from services.scoring.settings import ScoringSettings
from services.scoring.store import models as store
from services.scoring.store.models import StoredModel
from shared import log
from shared.db.turns import take_turns

_LOG = log.get(__name__)
_EVERY: Final = timedelta(hours=24)
_OUTCOMES: Final = 300  # leads that bought in this process since the last fit
_LOOK_S: Final = 60.0
_LONGEST_S: Final = 3600.0
_STEP_EVERY: Final = timedelta(hours=1)
_FIT: Final = "services.scoring.training.fit"
_STEP: Final = "services.scoring.training.step"


class _Failed(Exception):  # noqa: N818 - reads as what happened
    """A child did not do its work; the message says why."""


class Refitting:
    """The job and its metrics."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: ScoringSettings,
        clock: Callable[[], datetime],
        outcomes: Callable[[], float],
        registry: CollectorRegistry,
    ) -> None:
        """`outcomes` counts the leads that have bought, from any starting point."""
        self._engine = engine
        self._environment = _environment(settings)
        self._clock = clock
        self._outcomes = outcomes
        self._at_last_fit = outcomes()
        self._last_step: datetime | None = None  # the hour until the next one counts from then
        self._fits = Counter("firsthour_model_fits", "Fits of the models, by result.", ["result"], registry=registry)
        self._age = Gauge(
            "firsthour_model_age_seconds", "Since the fit of the model in force, by kind.", ["kind"], registry=registry
        )
        self._tried = Gauge(
            "firsthour_model_last_fit_timestamp_seconds",
            "When a fit last came to an end, whatever became of it (Unix time), by kind of model.",
            ["kind"],
            registry=registry,
        )
        self._ece = Gauge(
            "firsthour_model_calibration_error",
            "Of the lead model in force, on leads that its fit had not seen: mean distance of predicted and observed.",
            registry=registry,
        )
        self._drift = Gauge(
            "firsthour_model_drift",
            "Log loss of the lead model in force on the newest leads, less what it was when it was put to use.",
            registry=registry,
        )

        self._taught = Gauge(
            "firsthour_model_leads_since_fit",
            "Leads whose outcome the lead model in force has learnt from since its fit.",
            registry=registry,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        async def turn() -> float:
            if not await self.step(stopping):
                await self.learn(stopping)
            return _LOOK_S

        await take_turns("fit_waits", turn, stopping)

    async def step(self, stopping: asyncio.Event | None = None) -> bool:
        """Fit if it is time; whether it was."""
        due = await self._due()
        if due:
            await self._fit(stopping or asyncio.Event())
        return due

    async def learn(self, stopping: asyncio.Event | None = None) -> bool:
        """Let the lead model in force learn online if it is time; whether it was."""
        now = self._clock()
        if self._last_step is not None and abs(now - self._last_step) < _STEP_EVERY:
            return False
        last, self._last_step = await self._learnt(), now
        if last is None:
            return False
        if abs(now - last) < _STEP_EVERY:
            self._last_step = last
            return False
        try:
            await self._child(_STEP, stopping or asyncio.Event())
        except _Failed as failed:
            _LOG.error("model_not_stepped", reason=str(failed))
        await self._learnt()
        return True

    async def _learnt(self) -> datetime | None:
        """When the lead model in force was fitted or last learnt online; None when there is none."""
        async with self._engine.connect() as conn:
            champion = (await store.champions(conn)).get("lead")
            step = await store.step(conn, champion.version) if champion is not None else None
        self._taught.set(0 if step is None else step.leads)
        if champion is None or step is None:
            return None if champion is None else champion.made_at
        return max(champion.made_at, step.at)

    async def _due(self) -> bool:
        """Whether a day has passed, or enough leads have bought. A new installation waits a day first."""
        now = self._clock()
        async with self._engine.begin() as conn:
            last = await store.last_fits(conn)
            if not last:
                await store.note_fits(conn, KINDS, now, "waits for the first night")
            for kind, at in last.items():
                self._tried.labels(kind).set(at.timestamp())
            for kind, model in (await store.champions(conn)).items():
                self._age.labels(kind).set((now - model.made_at).total_seconds())
                if kind == "lead":
                    self._ece.set(float(model.metrics.get("ece", 0.0)))
                    self._drift.set(_drift(model, await store.newest(conn, 1, kind)))
        if self._outcomes() - self._at_last_fit >= _OUTCOMES:
            return True
        # A clock that was wrong for a while may have left a moment to come.
        return bool(last) and abs(now - max(last.values())) >= _EVERY

    async def _fit(self, stopping: asyncio.Event) -> None:
        self._at_last_fit = self._outcomes()
        try:
            if await self._child(_FIT, stopping):
                self._last_step = None  # the model in force may be another one now
                self._fits.labels("done").inc()
                _LOG.info("models_fitted")
        except _Failed as failed:
            self._fits.labels("failed").inc()
            _LOG.error("models_not_fitted", reason=str(failed))
            async with self._engine.begin() as conn:  # or it would be tried again each minute
                await store.note_fits(conn, KINDS, self._clock(), "failed")

    async def _child(self, module: str, stopping: asyncio.Event) -> bool:
        """Run it to its end, or until stopping; whether it came to its end. Raises _Failed."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        stop = asyncio.ensure_future(stopping.wait())
        ended = asyncio.ensure_future(child.communicate())
        try:
            await asyncio.wait({stop, ended}, timeout=_LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if child.returncode is None and not ended.done():
                child.kill()
            _, errors = await ended
        if child.returncode and not stopping.is_set():  # else it is the stop that ended it
            raise _Failed(f"{_last_line(errors)} (exit {child.returncode})")
        return not child.returncode


def _drift(champion: StoredModel, newest: Sequence[StoredModel]) -> float:
    """How much worse the champion has become, as measured by the latest fit that did not replace it."""
    latest = next((each for each in newest if each.version != champion.version), None)
    if latest is None or latest.made_at <= champion.made_at:
        return 0.0
    return float(latest.metrics["compared"]["log_loss"]) - float(champion.metrics["log_loss"])


def _last_line(errors: bytes) -> str:
    """The kind of error: its message may hold data, its name does not."""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].partition(":")[0][:100] if lines else ""


def _environment(settings: ScoringSettings) -> Mapping[str, str]:
    return os.environ | {
        "FIRSTHOUR_DATABASE": settings.database_url(),
        "FIRSTHOUR_CONFIG": str(settings.config),
        "FIRSTHOUR_STATE": str(settings.state),
    }
