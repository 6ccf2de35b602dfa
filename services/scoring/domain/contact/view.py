"""The contact as other services see it."""

from collections.abc import Sequence
from typing import Any

from services.scoring.domain.contact.consent import PREFIX, consent_of
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.places import place_of
from services.scoring.domain.identity.identity import vouched
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from shared.events.updates import ContactView

_TRAIT = "trait:"
_SHOWN = ("name", "interest")
_LONGEST_NAME = 64  # characters of a locale; what is longer is a trait and nothing else


def view(state: ContactState, model: Model) -> ContactView:
    """The contact after its last event. `conversion` is P(conversion) of an open lead, else 0."""
    traits = {name[len(_TRAIT) :]: word.value for name, word in state.known.items() if name.startswith(_TRAIT)}
    strangers = sorted(name for name, word in state.known.items() if word.public)  # they alone said it
    email, steering = state.get("email"), _steering(state) if strangers else traits
    place = place_of(steering, model.home)
    proven = email is not None and vouched(state, f"email:{email}")
    chance = 0.0
    if state.open_lead:
        chance = round(lead_value.conversion(lead_value.parts(state, model, state.as_of)), 6)
    return ContactView(
        id=state.id,
        version=state.version,
        currency=model.currency,
        stage=state.stage,
        created=state.created,
        email=email,
        phone=state.get("phone"),
        name=state.get("name"),
        source=state.source,
        country=place.country,
        time_zone=place.time_zone,
        locale=_text(steering.get("locale")),
        traits=traits,
        interest=state.get("interest"),
        consent=consent_of(state.known),
        conversion=chance,
        purchases=state.paid_orders,
        tier=state.tier or None,
        proven=proven,
        hearsay=_hearsay(strangers) if proven else [],
    )


def _hearsay(said: Sequence[str]) -> list[str]:
    """What only strangers have said, which is no reason to write it to the owner of the address."""
    own = [name for name in said if name in _SHOWN]
    return own + [f"traits.{name[len(_TRAIT) :]}" for name in said if name.startswith(_TRAIT)]


def _steering(state: ContactState) -> dict[str, Any]:
    """The traits that decide when and whether somebody is written to: only trusted ones, once there are any.

    Otherwise a stranger who knows an address could move its owner to where nobody is followed up.
    """
    known = any(not word.public for name, word in state.known.items() if not name.startswith(PREFIX))
    return {
        name[len(_TRAIT) :]: word.value
        for name, word in state.known.items()
        if name.startswith(_TRAIT) and not (known and word.public)
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME else None
