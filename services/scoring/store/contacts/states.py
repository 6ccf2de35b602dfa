"""Stored states, read again. Where one cannot be read, the log names its contact, and nobody else is held up by it.

That happens after a newer version has written it, or by a repair by hand.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from services.scoring.domain.contact.contact import ContactState, decode_state
from shared import log

_LOG = log.get(__name__)


def readable(rows: Iterable[Any]) -> Iterator[tuple[Any, ContactState]]:
    """Each row with its state, without those whose `state` cannot be read. A row has `id` and `state`."""
    for row in rows:
        try:
            yield row, decode_state(row.state)
        except msgspec.DecodeError as error:
            _LOG.error("state_unreadable", contact_id=str(row.id), error=type(error).__name__)


def read_states(rows: Iterable[Any]) -> list[ContactState]:
    """The states that can be read."""
    return [state for _, state in readable(rows)]
