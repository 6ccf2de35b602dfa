from services.nurture.domain.context import type_of
from shared.events.updates import decode_update
from tests.support.nurture_service import a_contact, an_update


def test_an_update_of_an_earlier_release_is_read_for_the_type_of_its_event() -> None:
    _, now = an_update(a_contact())
    assert decode_update(now).data.event_type == "lead.captured"
    before = decode_update(now.replace(b'"event_type":"lead.captured"', b'"merged":[]')).data
    assert before.event_type == ""
    assert type_of(before.event) == "lead.captured"
