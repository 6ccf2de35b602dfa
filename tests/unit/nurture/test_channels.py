"""What stands in the schema for speed or safety is what the registry of channels says."""

from services.nurture.channels.registry import CHANNELS
from services.nurture.tables import SENT_BY


def test_the_schema_knows_the_channels_that_send() -> None:
    assert set(SENT_BY) == {each.name for each in CHANNELS.values() if not each.by_person}


def test_one_channel_has_the_tasks_and_no_two_share_a_section() -> None:
    assert [each.name for each in CHANNELS.values() if each.by_person] == ["task"]
    assert len({each.section for each in CHANNELS.values()}) == len(CHANNELS)
