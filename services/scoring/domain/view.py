"""A contact as the rest of the world sees it."""

from services.scoring.domain.consent import consent_of
from services.scoring.domain.contact import ContactState
from services.scoring.domain.identity import vouched
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model import Model
from services.scoring.domain.places import place_of
from shared.events.updates import ContactView

_TRAIT = "trait:"
_LONGEST_NAME = 64  # characters of a locale; what is longer is a trait and nothing else


def view(state: ContactState, model: Model) -> ContactView:
    """The contact after its last event. `conversion` is P(conversion) of an open lead, else 0."""
    traits = {name[len(_TRAIT) :]: word.value for name, word in state.known.items() if name.startswith(_TRAIT)}
    email, place = state.get("email"), place_of(traits, model.home)
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
        locale=_text(traits.get("locale")),
        traits=traits,
        interest=state.get("interest"),
        consent=consent_of(state.known),
        conversion=chance,
        purchases=state.paid_orders,
        tier=state.tier or None,
        proven=email is not None and vouched(state, f"email:{email}"),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME else None
