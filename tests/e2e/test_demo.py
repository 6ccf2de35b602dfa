"""`firsthour demo` as a person starts it: real processes, to its summary, and nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.processes import free_ports

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_the_demo_follows_up_everybody_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ports = ("INGEST", "SCORING", "NURTURE", "EMBEDDED_KAFKA", "EMBEDDED_POSTGRES", "RUN")
    config = tmp_path / "config"
    subprocess.run(["cp", "-r", ROOT / "config", config], check=True)
    sinks, smtp = free_ports(2)
    endpoints = (config / "endpoints.yaml").read_text()
    (config / "endpoints.yaml").write_text(endpoints.replace(":8090", f":{sinks}").replace(":1025", f":{smtp}"))
    tmp_path.chmod(0o711)  # root's Postgres runs as another user
    done = subprocess.run(
        [
            sys.executable, "-m", "services.cli.main", "demo", "--leads", "4", "--pace", "0.3", "--seed", "3", "--exit",
            "--json", "--state", tmp_path / "state", "--config", config,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **{f"FIRSTHOUR_{name}_PORT": "0" for name in ports},
            "FIRSTHOUR_DEMO_PORT": str(sinks),
            "FIRSTHOUR_DEMO_SMTP_PORT": str(smtp),
        },
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert (result["leads"], result["followed_up"], result["webhooks_refused"]) == (4, 4, 0)
    assert result["webhooks_verified"] >= 4
    assert result["mails"] >= 4
    assert result["purchases"] >= 1
    assert 0 < result["p50_seconds"] <= result["max_seconds"] < 30
    left = [
        p for p in psutil.process_iter(["cmdline"]) if any(str(tmp_path) in part for part in p.info["cmdline"] or ())
    ]
    assert not left
