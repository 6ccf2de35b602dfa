"""A contact that turns out to be a machine, or a person after all: what it did is taken away, or counts again. Pure."""

from collections.abc import Sequence

import msgspec

from services.scoring.domain.contact.bounds import bounded
from services.scoring.domain.contact.contact import ContactState, Word
from services.scoring.domain.contact.fold import fold
from services.scoring.domain.funnel.journey import SET_OUT
from services.scoring.domain.identity.marks import own
from services.scoring.domain.model.model import Model
from shared.events.envelope import Decoded


def judged(state: ContactState, events: Sequence[Decoded], machine: float | None, model: Model) -> ContactState:
    """The contact with its stored events folded again; `machine`: since when it is said to be one, None: it is none.

    Engagement, captures and its way through the funnel are folded anew; orders, words and human touches stay. Once it
    is none any more, what was said while it was taken for one is a word, too.
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
    known = _heard(state, events, model) if machine is None else state.known
    return msgspec.structs.replace(anew, version=state.version, known=known)


def _heard(state: ContactState, events: Sequence[Decoded], model: Model) -> dict[str, Word]:
    """What is known with what was said since it was taken for a machine."""
    person = msgspec.structs.replace(state, machine=None)
    for event, data in events:
        if state.machine is not None and event.receivedtime.timestamp() >= state.machine:
            person = fold(person, event, own(data, state.foreign), model.scorecard.half_lives)
    return bounded(person.known)[0]
