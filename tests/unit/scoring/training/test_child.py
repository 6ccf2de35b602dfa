"""Children of scoring leave the machine to everything else."""

import os
import subprocess
import sys
from pathlib import Path

_CODE = """
import os
from services.scoring.training import child

async def work(database, config):
    print(os.nice(0))

raise SystemExit(child.run(work))
"""


def test_a_child_runs_at_low_priority(tmp_path: Path) -> None:
    environment = os.environ | {"FIRSTHOUR_STATE": str(tmp_path), "FIRSTHOUR_DATABASE": "postgresql://127.0.0.1:1/none"}
    done = subprocess.run(
        [sys.executable, "-c", _CODE], cwd=Path(__file__).parents[4], env=environment,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert int(done.stdout) == min(19, os.nice(0) + 15)
