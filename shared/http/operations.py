"""What every service offers to its operators: liveness, readiness and metrics."""

import os
from collections.abc import Callable

from fastapi import FastAPI, Response
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel


class Health(BaseModel):
    """Whether it can do its work; `missing` says what keeps it from it, `attention` what a person has to look at."""

    status: str
    missing: list[str] = []
    attention: list[str] | None = None


def _of_all_workers() -> CollectorRegistry | None:
    """The combined metrics of a service's workers; None when this process is the only one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return None
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library leaves it so
    return together


def operations(
    app: FastAPI,
    *,
    missing: Callable[[], list[str]],
    attention: Callable[[], list[str]] = list,
    registry: CollectorRegistry,
) -> None:
    """Add `/healthz`, `/readyz` (503 with what is missing) and `/metrics` to the app.

    `attention`: what needs a person although the service works.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # half as many series: Prometheus makes nothing of them
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)

    @app.get("/healthz", tags=["operations"], response_model_exclude_none=True)
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", tags=["operations"], response_model_exclude_none=True, responses={503: {"model": Health}})
    async def readyz(response: Response) -> Health:
        """The process can do its work; if not, what is missing."""
        lacking = missing()
        if lacking:
            response.status_code = 503
            return Health(status="not ready", missing=lacking, attention=attention() or None)
        return Health(status="ready", attention=attention() or None)

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(_of_all_workers() or registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
