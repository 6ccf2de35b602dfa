"""What features say only together: pairs of columns, and small trees. A fixed part of a fit's log-odds. Pure.

Each column that a pair or a tree asks is read once, as a level that tells apart all that any of them does; the rest
is a function of these levels. What trees say is a whole number of `UNIT`s, so that their sum is exact in any order.

A walk through hundreds of trees would take longer than everything else that an event costs. So one integer holds the
leaves of all trees, a bit for each (QuickScorer: Lucchese et al., SIGIR 2015): the level of a column leaves those bits
that it does not rule out, and after all columns one of each tree is left. The values of the leaves are summed up by
counting bits, one binary digit of all of them at a time.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from services.scoring.domain.lead.features import DID, MISSING, Bins, Pair, Value

UNIT: Final = 1.0 / 4096  # log-odds
_UNKNOWN: Final = "\0"  # no word: those have no control characters in front
_REMEMBERED: Final = 4096  # levels of leads: most events move none


@dataclass(frozen=True, slots=True)
class WeighedPair:
    """Two columns in coarse levels, with the log-odds of what they are together: `one|other`."""

    pair: Pair
    weights: Mapping[str, float]

    def log_odds(self, one: Value, other: Value) -> float:
        """What both values add beyond what each adds alone; 0.0 if they were never seen together."""
        return self.weights.get(self.cell(one, other), 0.0)

    def cell(self, one: Value, other: Value) -> str:
        """The level of both."""
        first, second = self.pair.coarse
        return f"{first.level(one)}|{second.level(other)}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column in few levels: a number by its edges, words by name. Level 0 is a missing number, or any other word."""

    name: str
    edges: tuple[float, ...] | None
    words: Mapping[str, int]
    nothing: int = field(init=False)  # the level of no value

    def __post_init__(self) -> None:
        object.__setattr__(self, "nothing", self.level(0.0 if self.name.startswith(DID) else None))

    def level(self, value: Value) -> int:
        """The level of a value."""
        if self.edges is None:
            return self.words.get(MISSING if value is None else str(value), 0)
        if not isinstance(value, float) or value != value:  # noqa: PLR0124 - NaN is unequal to itself
            return 0
        return bisect_right(self.edges, value) + 1

    @property
    def values(self) -> tuple[Value, ...]:
        """A value of each level."""
        if self.edges is None:
            return (_UNKNOWN, *self.words)
        return (None, float("-inf"), *self.edges)

    def says(self, level: int) -> str:
        """The level in words."""
        if self.edges is None:
            return str(self.values[level]) if level else "unlike most"
        return Bins(self.edges).says(MISSING if level == 0 else str(level - 1))


@dataclass(frozen=True, slots=True)
class Tree:
    """Questions, 0 is the root, 2n + 1 and 2n + 2 follow n. Of each the place of its column, and a bit for each level.

    A level whose bit is set goes on to 2n + 2. `values`: of the leaves, in `UNIT`s.
    """

    columns: tuple[int, ...]
    answers: tuple[int, ...]
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.columns) == len(self.answers) == len(self.values) - 1:
            raise ValueError("a tree has one leaf more than questions")


@dataclass(frozen=True, slots=True)
class Together:
    """Pairs, and trees with what they ask. `columns`: all of both, in levels that tell apart what any of them does."""

    pairs: tuple[WeighedPair, ...] = ()
    asked: tuple[Column, ...] = ()
    trees: tuple[Tree, ...] = ()
    columns: tuple[Column, ...] = field(init=False)
    nothing: bytes = field(init=False)  # the levels of a lead of whom nothing is known
    places: Mapping[str, int] = field(init=False)  # of the columns, by name
    # The last lead whose words were read: what was known, its source, and the levels of both.
    last: list[tuple[object, str | None, bytes]] = field(init=False, compare=False, repr=False, default_factory=list)
    _said: "_Said" = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        columns = _columns(self.pairs, self.asked)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "nothing", bytes(each.nothing for each in columns))
        object.__setattr__(self, "places", {each.name: place for place, each in enumerate(columns)})
        object.__setattr__(self, "_said", _Said(columns, self.pairs, self.asked, self.trees))

    def levels(self, known: Mapping[str, Value]) -> bytes:
        """The levels of what is known."""
        return bytes(each.level(known[each.name]) if each.name in known else each.nothing for each in self.columns)

    def log_odds(self, levels: bytes) -> float:
        """What pairs and trees add for these levels of `columns`."""
        return self._said.log_odds(levels)

    def of_pairs(self, levels: bytes) -> list[float]:
        """What each pair adds."""
        return self._said.of_pairs(levels)

    def of_trees(self, levels: bytes) -> dict[str, float]:
        """What the trees add, by the column that each of them asks first."""
        found: dict[str, int] = {}
        of = dict(zip((each.name for each in self.columns), levels, strict=True))
        values = {each.name: each.values[of[each.name]] for each in self.columns}
        at = [each.level(values[each.name]) for each in self.asked]
        for tree in self.trees:
            first = self.asked[tree.columns[0]].name
            found[first] = found.get(first, 0) + tree.values[leaf(tree, at)]
        return {name: units * UNIT for name, units in found.items()}


def leaf(tree: Tree, levels: list[int]) -> int:
    """The leaf that these levels of what is asked lead to."""
    node, inner = 0, len(tree.columns)
    while node < inner:
        node = 2 * node + 1 + (tree.answers[node] >> levels[tree.columns[node]] & 1)
    return node - inner


def _columns(pairs: tuple[WeighedPair, ...], asked: tuple[Column, ...]) -> tuple[Column, ...]:
    edges: dict[str, set[float]] = {}
    words: dict[str, set[str]] = {}
    for each in asked:
        if each.edges is None:
            words.setdefault(each.name, set()).update(each.words)
        else:
            edges.setdefault(each.name, set()).update(each.edges)
    for pair in (each.pair for each in pairs):
        for name, feature in zip((pair.first, pair.second), pair.coarse, strict=True):
            if isinstance(feature, Bins):
                edges.setdefault(name, set()).update(feature.edges)
            else:
                words.setdefault(name, set()).update((*feature.seen, MISSING))
    return tuple(
        Column(
            name,
            tuple(sorted(edges[name])) if name in edges else None,
            {word: level for level, word in enumerate(sorted(words.get(name, ())), start=1)},
        )
        for name in sorted({*edges, *words})
    )


class _Said:
    """What all levels say, computed beforehand."""

    def __init__(
        self,
        columns: tuple[Column, ...],
        pairs: tuple[WeighedPair, ...],
        asked: tuple[Column, ...],
        trees: tuple[Tree, ...],
    ) -> None:
        place = {each.name: number for number, each in enumerate(columns)}
        values = [each.values for each in columns]
        self._pairs = [
            (one, other, [[each.log_odds(a, b) for b in values[other]] for a in values[one]])
            for each in pairs
            for one, other in ((place[each.pair.first], place[each.pair.second]),)
        ]
        at = [place[each.name] for each in asked]
        levels = [[each.level(value) for value in values[at[number]]] for number, each in enumerate(asked)]
        begin, self._least, self._all = 0, 0, 0
        questions: list[list[tuple[int, int, int]]] = [[] for _ in asked]
        digits: dict[int, int] = {}
        for tree in trees:
            least = min(tree.values)
            self._least += least
            self._all |= ((1 << len(tree.values)) - 1) << begin
            for number, value in enumerate(tree.values):
                for digit in range((value - least).bit_length()):
                    if (value - least) >> digit & 1:
                        digits[digit] = digits.get(digit, 0) | 1 << begin + number
            for node, (column, answers) in enumerate(zip(tree.columns, tree.answers, strict=True)):
                left, right = _below(node, len(tree.values))
                if answers:
                    questions[column].append((answers, left << begin, right << begin))
                else:  # nothing to ask: all go one way
                    self._all &= ~(right << begin)
            begin += len(tree.values)
        self._masks = [
            (at[column], [_kept(asks, level, self._all) for level in levels[column]])
            for column, asks in enumerate(questions)
            if asks
        ]
        self._digits = sorted(digits.items())
        self.log_odds = lru_cache(maxsize=_REMEMBERED)(self._log_odds)

    def _log_odds(self, levels: bytes) -> float:
        return sum(self.of_pairs(levels)) + self._trees(levels)

    def of_pairs(self, levels: bytes) -> list[float]:
        return [table[levels[one]][levels[other]] for one, other, table in self._pairs]

    def _trees(self, levels: bytes) -> float:
        left, units = self._all, self._least
        for column, masks in self._masks:
            left &= masks[levels[column]]
        for digit, leaves in self._digits:
            units += (left & leaves).bit_count() << digit
        return units * UNIT


def _below(node: int, leaves: int) -> tuple[int, int]:
    """The leaves on either side of a question, as bits."""
    depth = (node + 1).bit_length() - 1
    width = leaves >> depth + 1
    begin = (node + 1 - (1 << depth)) * 2 * width
    side = (1 << width) - 1
    return side << begin, side << begin + width


def _kept(asks: list[tuple[int, int, int]], level: int, every: int) -> int:
    """The leaves that a level does not rule out."""
    out = 0
    for answers, left, right in asks:
        out |= left if answers >> level & 1 else right
    return every & ~out
