"""Whether more leads come than people can follow up: looked up with the figures, never on a request."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.queue import overloaded
from services.scoring.store import figures
from services.scoring.store.figures import OpenLeads


@dataclass(slots=True)
class Load:
    """The load that decides the order of the queue."""

    overload: bool = False

    def note(self, leads: OpenLeads) -> None:
        """Use what was looked up."""
        self.overload = overloaded(leads.came, leads.unreached)

    async def look(self, conn: AsyncConnection) -> None:
        self.note(await figures.open_leads(conn))
