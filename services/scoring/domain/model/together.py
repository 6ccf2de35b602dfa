"""What features say together, as a part of a stored lead model."""

from collections.abc import Mapping
from typing import Any

from services.scoring.domain.lead.features import Bins, Feature, Levels, Pair
from services.scoring.domain.lead.together import Column, Together, Tree, WeighedPair


def told(together: Together) -> dict[str, Any]:
    """Pairs and trees as JSON."""
    return {
        "pairs": [
            {
                "columns": [each.pair.first, each.pair.second],
                "levels": [_told(feature) for feature in each.pair.coarse],
                "weights": each.weights,
            }
            for each in together.pairs
        ],
        "asked": [{"name": each.name, "bins": each.edges, "words": list(each.words)} for each in together.asked],
        "trees": [[each.columns, each.answers, each.values] for each in together.trees],
    }


def read_together(said: Mapping[str, Any]) -> Together:
    """The same, read. Raises KeyError, IndexError, TypeError, ValueError."""
    pairs = []
    for each in said["pairs"]:
        first, second = each["columns"]
        one, other = each["levels"]
        pairs.append(WeighedPair(Pair(first, second, (_read(one), _read(other))), each["weights"]))
    return Together(
        tuple(pairs),
        tuple(
            Column(
                each["name"],
                None if each["bins"] is None else tuple(each["bins"]),
                {word: level for level, word in enumerate(each["words"], start=1)},
            )
            for each in said["asked"]
        ),
        tuple(Tree(tuple(columns), tuple(answers), tuple(values)) for columns, answers, values in said["trees"]),
    )


def _told(feature: Feature) -> dict[str, Any]:
    return {"bins": feature.edges} if isinstance(feature, Bins) else {"words": sorted(feature.seen)}


def _read(said: Mapping[str, Any]) -> Feature:
    return Bins(tuple(said["bins"])) if "bins" in said else Levels(frozenset(said["words"]))
