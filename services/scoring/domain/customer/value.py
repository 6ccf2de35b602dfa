"""Customer value: for now the margin of all that was bought and not given back."""

from services.scoring.domain.contact import ContactState


def value(state: ContactState) -> int:
    """Past margin less refunds, in base minor units. The same order heard of twice counts once."""
    return state.settled + sum(order.value for order in state.orders.values())
