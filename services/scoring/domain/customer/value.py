"""Customer value: for now the margin of all that was bought and not given back."""

from services.scoring.domain.contact import ContactState
from shared.money import MAX_MINOR


def value(state: ContactState) -> int:
    """Past margin less refunds, in base minor units. The same order heard of twice counts once."""
    return max(-MAX_MINOR, min(MAX_MINOR, state.past))
