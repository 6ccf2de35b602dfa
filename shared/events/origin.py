"""The sender of a message, read from as little of it as possible: the rest may be malformed."""

import msgspec

from shared.events.envelope import Trust
from shared.kafka.records import Sender

_SOURCES = "/sources/"


class Origin(msgspec.Struct, frozen=True):
    """An event's source and trust."""

    source: str
    trust: Trust = "trusted"


class _Data(msgspec.Struct, frozen=True):
    event: Origin


class _Update(msgspec.Struct, frozen=True):
    data: _Data


_EVENT = msgspec.json.Decoder(Origin)
_UPDATE = msgspec.json.Decoder(_Update)


def origin_of_event(value: bytes) -> Origin | None:
    """The origin of an event; None when not even that can be read."""
    try:
        return _EVENT.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return None


def origin_of_update(value: bytes) -> Origin | None:
    """The origin of the event in an update; None when not even that can be read."""
    try:
        return _UPDATE.decode(value).data.event
    except (msgspec.MsgspecError, RecursionError):
        return None


def sender_of(origin: Origin | None) -> Sender:
    """The origin as the loop counts it. Facts of our own are about contacts that anybody may have made: not trusted."""
    if origin is None:
        return Sender("unknown", trusted=False)
    own = not origin.source.startswith(_SOURCES)
    return Sender(origin.source.removeprefix(_SOURCES), origin.trust == "trusted" and not own)
