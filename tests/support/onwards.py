"""An accepted event's way on: scoring folds it, its update fits into a message, nurture reads it and decides."""

from uuid import UUID, uuid4

import msgspec
from msgspec import Raw

from services.nurture.domain.facts import Facts, read_update
from services.nurture.language.conditions import context
from services.scoring.consume.batch import Batch
from services.scoring.domain.view import view
from shared.events.envelope import Decoded, Trust, encode
from shared.events.types import CostRecorded
from shared.events.updates import Update, Values, decode_update, encode_update
from shared.kafka.topics import MAX_MESSAGE_BYTES
from tests.unit.scoring.builders import MODEL, NOW, a_lead

_SLACK = 2048  # bytes of a message that are not its value


def goes_all_the_way(decoded: Decoded) -> None:
    """Nobody dead-letters it, whether its contact is unknown or known. Whatever is raised fails the test."""
    if isinstance(decoded.data, CostRecorded):
        return  # about no contact
    identity = decoded.data.identity
    known = a_lead(email=identity.email or "ada@example.com", phone=identity.phone, user_id=identity.user_id,
                   anonymous_id=identity.anonymous_id, source=decoded.event.source)  # fmt: skip
    cases: list[tuple[list[Decoded], Trust]] = [([], "trusted"), ([known], "trusted"), ([known], "public")]
    for earlier, trust in cases:
        batch = Batch(MODEL, NOW, {}, {}, uuid4)
        for each in earlier:
            batch.fold(each)
        folded = batch.fold(Decoded(msgspec.structs.replace(decoded.event, trust=trust), decoded.data))
        update = Update(
            contact=view(folded.state, MODEL),
            before=folded.before,
            after=Values(folded.state.lead, folded.state.customer),
            bookings=folded.bookings,
            event=Raw(encode(decoded.event)),
            merged=list(folded.absorbed),
            consents=list(folded.consents),
        )
        sent = encode_update(update, event_id=UUID(int=1), time=NOW, traceparent=None)
        assert len(sent) <= MAX_MESSAGE_BYTES - _SLACK
        read = read_update(decode_update(sent))
        context(Facts(read.contact, read.values, read.event, NOW))
