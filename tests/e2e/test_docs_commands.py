"""Every command in docs/sending-events.md and the README's flow is run as it stands there."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.processes import Firsthour

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "sending-events.md").read_text(), re.DOTALL)
SETUP, *EXAMPLES = BLOCKS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.search(r"\$INGEST(\S*)\"", text)[1])
def test_the_example_works_as_it_stands(firsthour: Firsthour, example: str) -> None:
    preamble = SETUP.replace(".firsthour/", f"{firsthour.state}/")
    done = subprocess.run(
        ["bash", "-euc", preamble + example],
        env={"INGEST": firsthour.url("ingest"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"status":"accepted"' in done.stdout or '"success":true' in done.stdout


def test_the_error_that_is_shown_is_the_error_that_is_answered(firsthour: Firsthour) -> None:
    answer = httpx.post(f"{firsthour.url('ingest')}/v1/leads", json={"email": "nobody"}, headers=firsthour.key())
    assert answer.json()["errors"][0]["problem"] in (ROOT / "docs" / "sending-events.md").read_text()
    assert answer.json()["title"] in (ROOT / "docs" / "sending-events.md").read_text()
