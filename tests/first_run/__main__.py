"""First runs, each in a fresh clone: `make run` as a newcomer types it, one lead, its follow-up, Ctrl-C, nothing left.

    python -m tests.first_run                 # every surrounding
    python -m tests.first_run --only all-at-once --times 10

What is committed is what is tried.
"""

import argparse
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil

from embedded.brokers import jars
from embedded.brokers.ports import free_port, is_free
from tests.first_run.mirror import mirror
from tests.first_run.surroundings import Surrounding, all_of_this_machine

ROOT = Path(__file__).parents[2]
READY_S, STOP_S, FOLLOW_UP_S = 900.0, 60.0, 60.0
# What a newcomer's shell has not: our settings, and what the make that runs this tells every make below it.
_OF_OURS = ("FIRSTHOUR_", "PG", "PYTHON", "MAKE", "MFLAGS", "ARGS")
PORTS = ("EMBEDDED_KAFKA", "EMBEDDED_POSTGRES", "INGEST", "SCORING", "NURTURE", "DEMO", "DEMO_SMTP", "RUN")


class Failed(Exception):  # noqa: N818 - reads as what happened
    """What did not go as a newcomer expects, with what was said until then."""


def first_run(surrounding: Surrounding, place: Path) -> dict[str, float]:
    """Raises Failed; else the seconds until it was ready, followed up and stopped."""
    account = pwd.getpwnam(surrounding.user) if surrounding.user else None
    ports: dict[str, int] = {}
    for name in PORTS:
        ports[name] = free_port(ports.values())
    clone = place / surrounding.folder
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    config = place / "config"  # the demo's receiver is on another port here
    shutil.copytree(clone / "config", config)
    endpoints = config / "endpoints.yaml"
    text = endpoints.read_text().replace(":8090", f":{ports['DEMO']}").replace(":1025", f":{ports['DEMO_SMTP']}")
    endpoints.write_text(text)
    home = place / "home"
    home.mkdir()
    if surrounding.pip_conf:
        (home / ".config" / "pip").mkdir(parents=True)
        (home / ".config" / "pip" / "pip.conf").write_text(surrounding.pip_conf)
    if account:
        for path in [place, *place.rglob("*")]:
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    place.chmod(surrounding.folder_mode)
    with ExitStack() as around:
        own = {name: text for name, text in os.environ.items() if not name.startswith(_OF_OURS)}
        own |= {f"FIRSTHOUR_{name}_PORT": str(port) for name, port in ports.items()}
        own |= {"HOME": str(home), "FIRSTHOUR_CONFIG": str(config), "USER": surrounding.user or own.get("USER", "root")}
        cache = home / "cache" if surrounding.mirror or account else jars.cache_folder()
        if surrounding.homeless:
            own["HOME"], cache = "/nonexistent", clone / ".firsthour" / "cache"
            own.pop("XDG_CACHE_HOME", None)
        else:
            own["FIRSTHOUR_CACHE"] = str(cache)
        if surrounding.mirror:
            address = around.enter_context(mirror(surrounding.mirror))
            (home / ".jgorc").write_text(f"[repositories]\nhere = {address}\n")
        command = ["make", "run", *([f"PYTHON={surrounding.python}"] if surrounding.python else [])]
        process = subprocess.Popen(
            command, cwd=clone, env={**own, **surrounding.environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            umask=surrounding.umask, user=account.pw_uid if account else None, group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip
        around.callback(_end, process)
        return _used(process, ports, clone / ".firsthour", cache)


def _used(process: "subprocess.Popen[str]", ports: dict[str, int], state: Path, cache: Path) -> dict[str, float]:
    said: list[str] = []
    took: dict[str, float] = {}

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        took[what] = round(time.monotonic() - began, 1)

    with timed("ready_s"):
        _read_until("Ctrl-C stops everything", process, said)
    children = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
    with timed("followed_up_s"), httpx.Client(timeout=10, trust_env=False) as http:
        _post_as_printed("".join(said), state.parent)
        end = time.monotonic() + FOLLOW_UP_S
        while "ada@example.com" not in http.get(f"http://127.0.0.1:{ports['DEMO']}/mails.json").text:
            if time.monotonic() > end:
                raise Failed(f"no follow-up; the logs say:\n{_logs(state)}")
            time.sleep(0.1)
    with timed("stopped_s"):
        os.killpg(process.pid, signal.SIGINT)  # to make and to what it runs, as a terminal does
        rest, _none = process.communicate(timeout=STOP_S)
    said.append(rest)
    # make itself always ends by the signal; had what it ran not ended with 0, it would say "Error".
    if "firsthour: stopped" not in rest or "aborting" in rest or "Error" in rest:
        raise Failed(f"it did not stop in order (exit code {process.returncode}):\n{rest}")
    left = [pid for pid in children if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
    halves = [*cache.glob("kafka/.partial-*"), *(state / "run").iterdir()]
    taken = [port for port in ports.values() if not is_free(port)]
    if left or halves or taken or "Traceback" in "".join(said):
        raise Failed(f"left: processes {left}, files {halves}, ports {taken}\n{''.join(said)}")
    return took


def _post_as_printed(said: str, folder: Path) -> None:
    """The first `curl` of what was said, in the folder where it was said."""
    curl = re.search(r"^  (curl .*\\\n.*)$", said, re.MULTILINE)
    if not curl:
        raise Failed(f"no curl to paste:\n{said}")
    plain = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    posted = subprocess.run(
        ["sh", "-c", f"{curl[1]} -w ' %{{http_code}}'"],
        cwd=folder,
        env=plain,
        check=False,
        capture_output=True,
        text=True,
    )
    if not posted.stdout.endswith(" 202"):
        raise Failed(f"the lead was answered {posted.stdout}{posted.stderr}")


def _logs(state: Path) -> str:
    ends = (path.read_text(errors="replace")[-1500:] for path in sorted(state.glob("logs/*")))
    return "\n".join(ends)


def _read_until(words: str, process: "subprocess.Popen[str]", said: list[str]) -> None:
    assert process.stdout
    watchdog = time.monotonic() + READY_S
    while words not in (said[-1] if said else ""):
        line = process.stdout.readline()
        said.append(line)
        if not line or time.monotonic() > watchdog:
            raise Failed(f"it was not ready:\n{''.join(said)}")


def _end(process: "subprocess.Popen[str]") -> None:
    """Nothing of it stays, however it went."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.first_run", description=__doc__)
    parser.add_argument("--only", action="append", help="one surrounding by its name; may be repeated")
    parser.add_argument("--times", type=int, default=1, help="how often in a row")
    options = parser.parse_args()
    # However it is ended, what has been started and made is cleared away; and a job in the background ignores Ctrl-C,
    # as would all that it starts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = [each for each in all_of_this_machine() if not options.only or each.name in options.only]
    if not chosen:
        parser.error("there is no such surrounding on this machine")
    failed = 0
    for surrounding in [each for each in chosen for _ in range(options.times)]:
        place = Path(tempfile.mkdtemp(prefix="firsthour-first-run-"))
        try:
            sys.stdout.write(f"{surrounding.name}: {json.dumps(first_run(surrounding, place))}\n")
        except Failed as error:
            failed += 1
            sys.stdout.write(f"{surrounding.name}: FAILED: {error}\n")
        finally:
            shutil.rmtree(place, ignore_errors=True)
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) * options.times - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
