"""Refits the models: each night, and whenever enough leads have converted.

A child process does it, at low priority, so that numpy and scipy are never loaded here. Of several scoring processes
one fits at a time; the time of the last try is in the database.
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
_COMMAND: Final = (sys.executable, "-m", "services.scoring.training.fit")


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

    async def run(self, stopping: asyncio.Event) -> None:
        async def turn() -> float:
            await self.step(stopping)
            return _LOOK_S

        await take_turns("fit_waits", turn, stopping)

    async def step(self, stopping: asyncio.Event | None = None) -> bool:
        """Fit if it is time; whether it was."""
        due = await self._due()
        if due:
            await self._fit(stopping or asyncio.Event())
        return due

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
        child = await asyncio.create_subprocess_exec(
            *_COMMAND,
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
        result = "done" if child.returncode == 0 else "failed"
        self._fits.labels(result).inc()
        if child.returncode == 0:
            _LOG.info("models_fitted")
        elif not stopping.is_set():
            _LOG.error("models_not_fitted", exit=child.returncode, reason=_last_line(errors))
            async with self._engine.begin() as conn:  # or it would be tried again each minute
                await store.note_fits(conn, KINDS, self._clock(), "failed")


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
