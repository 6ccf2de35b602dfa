"""Rebuilds a contact's state from its stored events, for what an earlier form of the state did not keep."""

from typing import Final

import msgspec

from services.scoring.domain.contact import fold
from services.scoring.domain.contact.contact import FORM, ContactState
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, OrderKey  # noqa: TC001 - a type, but not for the checker alone
from services.scoring.domain.funnel.journey import SET_OUT, First, Journey, joined
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.sources import short_name
from shared.events.envelope import Decoded

_replace = msgspec.structs.replace
_OF_THE_FIRST_FORM: Final = {"estimate", "unconverted"}  # words that held a converted amount, not the amount itself


class Refolding:
    """One contact's events, folded again. Its id, identities and booked values stay."""

    def __init__(self, state: ContactState, model: Model) -> None:
        """`state` as stored, of any form; what only grows (words, times) is kept and folded over."""
        self._stored = state
        self._model = model
        known = state.known
        if state.form < FORM:
            known = {name: word for name, word in known.items() if name not in _OF_THE_FIRST_FORM}
        self._known = known
        self._state = _replace(
            state,
            form=FORM,
            known=known,
            half_lives=(),
            engaged={},
            paid_orders=0,
            past=0,
            priced="",
            unconverted={},
            days={},
            earlier=None,
            journey=SET_OUT,
        )
        self.orders: dict[OrderKey, Order] = {}

    def add(self, decoded: Decoded) -> None:
        """One of its events, in any order, each once."""
        event, data = decoded
        self._state = fold.fold(self._state, event, data, self._model.scorecard.half_lives)
        key = fold.order_key(event, data)
        if key is not None:
            before = self.orders.get(key)
            after = fold.order_after(before, event, data)
            self._state = pricing.reckon(self._state, before, after, self._model)
            if after is not None:
                self.orders[key] = after

    @property
    def whole(self) -> ContactState:
        """The contact with its whole state rebuilt; its `orders` are to be written too.

        Its words stay as they are; only its estimate is set again.
        """
        estimate = self._state.known.get("estimate")
        known = self._known if estimate is None else {**self._known, "estimate": estimate}
        return _replace(self._state, version=self._stored.version, known=known, journey=self._journey)

    @property
    def counted(self) -> ContactState:
        """The contact as stored, with its engagement counted by the model's half-lives.

        The counts lack events older than the retention.
        """
        return _replace(
            self._stored, half_lives=self._state.half_lives, engaged=self._state.engaged, journey=self._journey
        )

    @property
    def _journey(self) -> Journey:
        """What the stored events say, and the contact itself of those that are no longer stored."""
        journey, stored = self._state.journey or SET_OUT, self._stored
        if stored.journey is not None:
            journey = joined(journey, stored.journey)
        if stored.first_source is not None:
            at, source = stored.first_source
            journey = joined(journey, Journey(First(at, short_name(source)), asked=at))
        if stored.converted is not None and not journey.bought:
            at = stored.converted
            journey = joined(journey, Journey(First(at, ""), bought=(at,)))
        return journey
