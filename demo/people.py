"""The people of the demo: made up, and the same ones for the same seed."""

import random
from dataclasses import dataclass
from typing import Final

_NAMES: Final = (
    "Ada Lovelace", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov", "Donald Knuth", "Katherine Johnson",
    "Alan Turing", "Hedy Lamarr", "Claude Shannon", "Margaret Hamilton", "John Backus", "Radia Perlman",
    "Ken Thompson", "Frances Allen", "Niklaus Wirth", "Karen Jones", "Leslie Lamport", "Shafi Goldwasser",
)  # fmt: skip
_COMPANIES: Final = ("Analytical Engines", "Nanosecond Ltd", "Shortest Path", "Substitution AG", "Literate Press",
                     "Orbit & Sons", "Enigma Works", "Frequency Hop")  # fmt: skip
_COUNTRIES: Final = ("DE", "AT", "GB", "US", "FR", "NL")
_INTERESTS: Final = ("pricing", "a demo", "support", "the enterprise plan", "an integration")
_VALUES: Final = ("250.00", "900.00", "2400.00", "5000.00", "12000.00", None)
_BUYING: Final = 0.3


@dataclass(frozen=True, slots=True)
class Person:
    """One visitor who becomes a lead. `value`: their own estimate in EUR. `views`: pages seen before they ask."""

    name: str
    email: str
    company: str
    country: str
    interest: str
    value: str | None
    by_form: bool
    views: int
    buys: bool


def people(count: int, *, seed: int, run: str) -> list[Person]:
    """Make so many people. `run` makes their addresses new, so that a second demo meets nobody twice."""
    dice = random.Random(seed)  # noqa: S311 - the same people for the same seed
    found = []
    for number in range(count):
        name = _NAMES[number % len(_NAMES)]
        found.append(
            Person(
                name=name,
                email=f"{name.split()[0].lower()}.{number + 1}.{run}@example.com",
                company=dice.choice(_COMPANIES),
                country=dice.choice(_COUNTRIES),
                interest=dice.choice(_INTERESTS),
                value=dice.choice(_VALUES),
                by_form=dice.random() < 0.5,  # noqa: PLR2004 - heads or tails
                views=dice.randrange(4),
                buys=dice.random() < _BUYING,
            )
        )
    return found
