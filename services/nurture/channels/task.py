"""Tasks: rows for people. Its settings are the reps; only their notices are sent, by e-mail."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from services.nurture.channels.channel import Channel, Name, Rep
from services.nurture.domain.workflow import TASK as NAME
from shared.config import ConfigModel
from shared.events.identity import normalise_email


class RepModel(ConfigModel):
    """`ana: {email: ana@example.com}`."""

    email: Annotated[str, AfterValidator(normalise_email)]


def _read(raw: Mapping[str, RepModel]) -> Mapping[str, Rep]:
    return {name: Rep(name, each.email) for name, each in raw.items()}


TASK: Final = Channel(
    name=NAME,
    section="reps",
    model=dict[Name, RepModel],
    default={},
    read=_read,
    queue=lambda kind: kind,
    queues=lambda _reps: [],
    repeats_unknown=False,
    by_person=True,
)
