"""The version of an enrolment's workflow: the one it started with, as long as that compiles."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.channels.channel import Registry
from services.nurture.channels.registry import CHANNELS
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.workflow import Workflow
from services.nurture.language.compile import Workflows, compile_workflow
from services.nurture.language.conditions import Undecided
from services.nurture.store import enrolments as store
from services.nurture.store.enrolments import Version
from shared import log
from shared.errors import ConfigurationError

UNUSABLE: Final = "its version of the workflow cannot be read any more"
_LOG = log.get(__name__)


@dataclass(slots=True)
class Versions:
    """Every version in use, compiled. None: stored, but it does not compile any more."""

    live: Workflows
    known: dict[tuple[str, str], Workflow | None]
    listened: set[str]  # the types of event that can advance an enrolment in any of them
    undecided: Undecided
    channels: Registry = field(default_factory=lambda: CHANNELS)

    def of(self, run: Enrolment) -> Workflow | None:
        """The version of this enrolment; None when it cannot go on. Call `learn` first."""
        return self.known[run.workflow, run.version]

    async def learn(self, conn: AsyncConnection, runs: Iterable[Enrolment]) -> None:
        """Load the versions of these enrolments that are not loaded yet."""
        await self._learn(conn, {(run.workflow, run.version) for run in runs})

    async def _learn(self, conn: AsyncConnection, wanted: set[tuple[str, str]]) -> None:
        wanted = wanted - self.known.keys()
        if wanted:
            compiled = {(each.name, each.version): self._compiled(each) for each in await store.versions(conn, wanted)}
            self.known |= dict.fromkeys(wanted) | compiled
            for workflow in compiled.values():
                if workflow is not None:
                    self.listened |= workflow.listens_to

    async def learn_active(self, conn: AsyncConnection) -> None:
        """Load every version that an active enrolment uses."""
        stored = await store.active_versions(conn)
        await self._learn(conn, {(each.name, each.version) for each in stored})

    async def keep_live(self, conn: AsyncConnection) -> None:
        """Store the live versions, for the enrolments that start with them."""
        await store.keep_versions(conn, [Version(w.name, w.version, w.source) for w in self.live.by_name.values()])

    def _compiled(self, stored: Version) -> Workflow | None:
        try:
            return compile_workflow(stored.source, undecided=self.undecided, channels=self.channels)
        except ConfigurationError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - one stored version, whatever is wrong with it, must not stop the others
            problem = type(error).__name__
        _LOG.error("workflow_version_unusable", workflow=stored.name, version=stored.version, problem=problem)
        return None


def with_live(live: Workflows, undecided: Undecided, channels: Registry = CHANNELS) -> Versions:
    """The live versions; others are loaded when an enrolment needs them."""
    workflows = live.by_name.values()
    listened = {kind for workflow in workflows for kind in workflow.listens_to}
    return Versions(live, {(w.name, w.version): w for w in workflows}, listened, undecided, channels)
