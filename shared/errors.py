"""The error tree.

FirsthourError
├── Transient        a dependency is down or busy: wait and retry the same thing; never dead-letter
├── Permanent        this input can never work: dead-letter it with the reason and go on
└── ConfigurationError   what the operator wrote does not work; lists every problem with file, line and key

Any other exception is unforeseen: the loop isolates it to its record, and many of them halt a lane (DESIGN section 5).
"""

from dataclasses import dataclass
from pathlib import Path


class FirsthourError(Exception):
    """Anything Firsthour raises on purpose."""


class Transient(FirsthourError):  # noqa: N818 - the word that every loop knows (DESIGN section 5)
    """A dependency is down or busy: retry the same thing; nothing is wrong with the input."""


class Permanent(FirsthourError):  # noqa: N818 - see above
    """This input can never work. The message is the reason a person reads; it names no personal data."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong in a configuration file. `line` counts from 1; `key` is dotted (`sources.website.keys`)."""

    file: Path
    line: int | None
    key: str
    problem: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{where}: {self.key}: {self.problem}" if self.key else f"{where}: {self.problem}"


class ConfigurationError(FirsthourError):
    """The configuration does not work; `problems` holds all that is wrong with it, not only the first."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
