"""`firsthour status` against the real services, by their ports and by their addresses, and once one is gone."""

import json
import subprocess
from pathlib import Path

from tests.e2e.test_one_lead import an_address
from tests.support.processes import SERVICES, Firsthour, free_ports
from tests.support.waiting import until


def status(firsthour: Firsthour, *more: str) -> subprocess.CompletedProcess[str]:
    return firsthour.command("status", *more, check=False)


async def test_all_four_questions_are_answered(firsthour: Firsthour) -> None:
    async def asked() -> bool:
        """The figures of Postgres are there."""
        done = status(firsthour, "--json")
        return bool(json.loads(done.stdout)["questions"][1]["level"] == "well")

    assert an_address() not in status(firsthour, "--once").stdout
    await until(asked, 40, every_s=0.5)
    done = status(firsthour, "--once")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    for question in ("Is anybody late?", "Is anything lost or stuck?", "What is slow?", "What is about to be full?"):
        assert question in done.stdout
    assert "first-hour windows of the last 24 hours" in done.stdout


def test_from_afar_with_a_token_and_trouble_is_2(firsthour: Firsthour, tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("secret")
    where = [f"--{name}={firsthour.url(name)}" for name in SERVICES]
    done = status(firsthour, "--json", f"--token=file:{token}", *where)
    assert json.loads(done.stdout)["level"] in ("well", "attention")
    (nobody,) = free_ports(1)
    done = status(firsthour, "--json", *where[:2], f"--nurture=http://127.0.0.1:{nobody}")
    document = json.loads(done.stdout)
    assert (done.returncode, document["level"], document["questions"][1]["level"]) == (2, "trouble", "trouble")
    assert status(firsthour, "--once", "--token=plain").returncode == 2
