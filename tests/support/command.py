"""The command `firsthour` as a person runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """Runs `firsthour …` against the brokers of a test."""

    database: str = ""
    kafka: str = ""
    prefix: str = ""

    def __call__(self, *arguments: str) -> Ended:
        environment = {
            **os.environ,
            "FIRSTHOUR_DATABASE": self.database,
            "FIRSTHOUR_KAFKA": self.kafka,
            "FIRSTHOUR_TOPIC_PREFIX": self.prefix,
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments], cwd=ROOT, env=environment, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout, done.stderr)
