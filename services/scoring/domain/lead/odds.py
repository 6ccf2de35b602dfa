"""From log-odds to a probability."""

import math


def sigmoid(log_odds: float) -> float:
    """1 / (1 + e^-x), finite for every x and never quite 0 or 1."""
    bounded = min(30.0, max(-30.0, log_odds))
    if bounded >= 0:
        return 1.0 / (1.0 + math.exp(-bounded))
    grown = math.exp(bounded)
    return grown / (1.0 + grown)
