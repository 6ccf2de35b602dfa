"""CONTRIBUTING's recipe for a channel, followed to the letter."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.nurture.channels.channel import registry
from services.nurture.channels.registry import CHANNELS
from services.nurture.language.compile import load_workflows
from services.nurture.outlets import load_outlets
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import enrolments
from services.nurture.store.enrolments import Version
from services.nurture.tables import sent_by
from shared.errors import ConfigurationError
from tests.support.deliveries import FACTS, Rows, delivering, rows_of
from tests.support.pager import PAGER
from tests.support.waiting import until
from tests.unit.nurture.builders import an_update, begun

WITH_PAGER = registry(*CHANNELS.values(), PAGER)
WAKE = """
workflow: wake
trigger: {on: lead.captured}
steps:
  - send: {pager: night}
"""


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


def a_config(folder: Path) -> Path:
    (folder / "workflows").mkdir()
    (folder / "workflows" / "wake.yaml").write_text(WAKE)
    (folder / "endpoints.yaml").write_text(f"pagers: {{night: {{spool: {folder / 'spool'}}}}}\n")
    return folder


async def test_one_file_and_one_line_are_a_channel(rows: Rows, tmp_path: Path) -> None:
    config = a_config(tmp_path)
    with pytest.raises(ConfigurationError):
        load_workflows(config)
    workflow = load_workflows(config, channels=WITH_PAGER).by_name["wake"]
    outlets = load_outlets(config, environment={}, state=tmp_path, channels=WITH_PAGER)
    assert outlets.endpoints.queues()["pager:night"] is PAGER
    # Its migration.
    await rows.all("ALTER TABLE deliveries DROP CONSTRAINT deliveries_channel")
    await rows.all(
        f"ALTER TABLE deliveries ADD CONSTRAINT deliveries_channel CHECK ({sent_by(('webhook', 'email', 'pager'))})"
    )
    changes = Changes()
    changes.begin(begun(workflow, an_update()))
    async with rows.engine.begin() as conn:
        await enrolments.keep_versions(conn, [Version(workflow.name, workflow.version, workflow.source)])
        written = await write(conn, changes, endpoints=outlets.endpoints, facts=FACTS, now=an_update().event.time)
    assert written.endpoints == {"pager:night"}
    async with AsyncExitStack() as closing, delivering(rows, outlets.open(closing), endpoints=outlets.endpoints):
        await until(lambda: rows.are("delivered"))
    assert (tmp_path / "spool").read_text() == f"{changes.rows[0].id}\n"


def test_a_target_that_a_new_channel_does_not_know_is_named_with_its_line(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    (config / "workflows" / "wake.yaml").write_text(WAKE.replace("night", "day"))
    with pytest.raises(ConfigurationError) as raised:
        load_workflows(config, channels=WITH_PAGER)
    assert "wake.yaml:5: steps.0.send.pager: no pager of this name" in str(raised.value)
