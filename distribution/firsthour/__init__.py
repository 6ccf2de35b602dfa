"""The one name that an installation adds at the top level; all else lies in this folder."""

import os
import sys
from pathlib import Path


def main() -> int:
    """The command `firsthour`, which, with its children, looks for `services` and all else in this folder."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = os.pathsep.join(each for each in (here, os.environ.get("PYTHONPATH")) if each)
    from services.cli.main import main as command

    return command()
