"""A contact that turns out to be a machine, or a person after all: what it did is taken away, or counts again. Pure."""

from collections.abc import Iterable

import msgspec

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.fold import fold
from services.scoring.domain.funnel.journey import SET_OUT
from services.scoring.domain.model.model import Model
from shared.events.envelope import Decoded


def judged(state: ContactState, events: Iterable[Decoded], machine: float | None, model: Model) -> ContactState:
    """The contact with its stored events folded again; `machine`: since when it is said to be one, None: it is none.

    Engagement, captures and its way through the funnel are folded anew; orders, words and human touches stay.
    """
    anew = msgspec.structs.replace(
        state,
        machine=machine,
        half_lives=(),
        engaged={},
        captured=None,
        first_source=None,
        journey=SET_OUT,
        qualified=None,
    )
    for event, data in events:
        anew = fold(anew, event, data, model.scorecard.half_lives)
    return msgspec.structs.replace(anew, version=state.version, known=state.known)
