"""P(conversion) by additive log-odds over tokens: a score, its reasons, and one step of learning."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.scoring.domain.lead.odds import sigmoid


class Weight(NamedTuple):
    """What is believed of one token: log-odds, and the variance of that belief."""

    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class ConversionModel:
    """`prior_variance` is that of a token nobody has seen yet; its mean is 0."""

    intercept: Weight
    weights: Mapping[str, Weight]
    prior_variance: float

    def contributions(self, tokens: Sequence[str]) -> list[tuple[str, float]]:
        """What each token adds to the log-odds, the strongest first. With the intercept they sum to them."""
        parts = [(token, self.weights[token].mean if token in self.weights else 0.0) for token in tokens]
        return sorted(parts, key=lambda part: (-abs(part[1]), part[0]))

    def log_odds(self, tokens: Sequence[str]) -> float:
        """Of a lead with these tokens; of equal tokens in any order to the last bit."""
        return math.fsum(
            [self.intercept.mean, *(self.weights[token].mean for token in tokens if token in self.weights)]
        )

    def probability(self, tokens: Sequence[str]) -> float:
        """P(conversion), in (0, 1)."""
        return sigmoid(self.log_odds(tokens))

    def learnt(self, tokens: Sequence[str], converted: bool) -> "ConversionModel":
        """The model after one more outcome: one step of assumed-density filtering.

        The moderated output is MacKay's (1992) approximation. Overconfident below some hundred outcomes: between refits
        only.
        """
        unseen = Weight(0.0, self.prior_variance)
        present = [self.intercept, *(self.weights.get(token, unseen) for token in tokens)]
        variance = math.fsum(weight.variance for weight in present)
        mean = math.fsum(weight.mean for weight in present)
        chance = sigmoid(mean / math.sqrt(1.0 + math.pi * variance / 8.0))
        curvature = chance * (1.0 - chance)
        gain = 1.0 / (1.0 + curvature * variance)
        error = float(converted) - chance

        def moved(weight: Weight) -> Weight:
            return Weight(
                weight.mean + weight.variance * error * gain,
                weight.variance - weight.variance**2 * curvature * gain,
            )

        changed = {token: moved(self.weights.get(token, unseen)) for token in tokens}
        return ConversionModel(moved(self.intercept), {**self.weights, **changed}, self.prior_variance)
