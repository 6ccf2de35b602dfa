"""The model in force: the settings and what was learnt, as one value."""

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.model.learnt import ModelUnusableError, read_customer, read_lead, read_step
from services.scoring.domain.model.model import Model
from services.scoring.store import models as store
from shared import log

if TYPE_CHECKING:
    from services.scoring.domain.customer.population import CustomerModel
    from services.scoring.domain.lead.learnt import LeadModel
    from services.scoring.domain.model.queue_settings import FittedCurve

_LOG = log.get(__name__)


class InForce:
    """Holds the model. Read `model` once per piece of work: it may be another one afterwards."""

    def __init__(self, settings: Model) -> None:
        """Start from the settings alone."""
        self.model = settings
        self._settings = settings
        self._versions: tuple[tuple[str, str | None], ...] = ()
        self._curves: dict[str, FittedCurve] = {}
        self._fit: LeadModel | None = None  # as it was fitted: a large one takes a while to read, and steps come hourly
        self._read = False

    async def first(self, conn: AsyncConnection) -> None:
        """Refresh once, before the first event is valued; afterwards the re-valuing job does."""
        if not self._read:
            await self.refresh(conn)

    async def refresh(self, conn: AsyncConnection) -> None:
        """Load the versions now in force. An unreadable one is left out, with an error in the log."""
        versions, curves = await store.in_force(conn), await store.curves(conn)
        self._read = True
        if (versions, curves) == (self._versions, self._curves):
            return
        lead: LeadModel | None = None
        customer: CustomerModel | None = None
        for kind, stored in (await store.champions(conn)).items():
            try:
                if kind == "lead":
                    if self._fit is None or self._fit.version != stored.version:
                        self._fit = read_lead(stored.version, stored.parameters)
                    lead = self._fit
                    step = await store.step(conn, stored.version)
                    if step is not None:
                        lead = read_step(lead, step.step, step.parameters)
                else:
                    customer = read_customer(stored.version, stored.parameters)
            except ModelUnusableError as error:
                _LOG.error("model_unusable", version=stored.version, reason=str(error))
        self._versions, self._curves = versions, curves
        self.model = self._settings.with_learnt(lead, customer).with_curves(curves)
        if lead is not None and self.model.learnt.lead is None:
            _LOG.warning("model_waits", version=lead.version, reason="the scorecard has changed since its fit")
        _LOG.info("model_in_force", version=self.model.lead_version, queue=self.model.queue.version)
