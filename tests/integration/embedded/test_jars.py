"""Kafka's jars: from a repository, each exactly the pinned file, whatever happens on the way."""

import fcntl
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from embedded.brokers import archive, jars
from embedded.brokers.jars import JarProblem, Pin, ensure_jars, missing, read_pins


@dataclass
class Repository:
    """A Maven repository on this machine."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def put(self, name: str, content: bytes) -> Pin:
        self.files[f"/org/example/{name}/1.0/{name}-1.0.jar"] = content
        return Pin(f"org.example:{name}:1.0", hashlib.sha256(content).hexdigest(), len(content))

    def downloads(self) -> list[str]:
        return sorted(Path(path).name for path in self.asked if path.endswith(".jar"))


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository.asked.append(self.path)
            content = repository.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    repository.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield repository
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(pins: list[Pin], cache: Path, repository: Repository) -> None:
    ensure_jars(pins, cache, {"here": repository.url})


def test_missing_jars_are_downloaded_once(repository: Repository, tmp_path: Path) -> None:
    pins = [repository.put("one", b"first"), repository.put("two", b"second" * 10_000)]
    assert missing(pins, tmp_path) == pins
    fetch(pins, tmp_path, repository)
    fetch(pins, tmp_path, repository)
    assert missing(pins, tmp_path) == []
    assert repository.downloads() == ["one-1.0.jar", "two-1.0.jar"]
    assert [path.read_bytes() for path in jars.class_path(pins, tmp_path)] == [b"first", b"second" * 10_000]


def test_a_tampered_jar_is_refused(repository: Repository, tmp_path: Path) -> None:
    good = repository.put("good", b"good")
    pin = repository.put("one", b"original")
    repository.put("one", b"tampered")
    with pytest.raises(JarProblem, match=r"one-1\.0\.jar is not the file that was pinned .* refused"):
        fetch([pin, good], tmp_path, repository)
    assert not list(tmp_path.rglob("one-1.0.jar")), "it is not even kept"
    repository.put("one", b"original")
    fetch([pin, good], tmp_path, repository)
    assert missing([pin, good], tmp_path) == []


def test_a_jar_changed_in_the_cache_is_replaced(repository: Repository, tmp_path: Path) -> None:
    pins = [repository.put("one", b"original"), repository.put("two", b"two")]
    fetch(pins, tmp_path, repository)
    jars.class_path(pins, tmp_path)[0].write_bytes(b"tampered")
    assert missing(pins, tmp_path) == pins[:1]
    repository.asked.clear()
    fetch(pins, tmp_path, repository)
    assert repository.downloads() == ["one-1.0.jar"]
    assert jars.class_path(pins, tmp_path)[0].read_bytes() == b"original"


def test_what_was_fetched_before_the_trouble_stays_and_halves_are_swept(repository: Repository, tmp_path: Path) -> None:
    here = repository.put("here", b"here")
    fetch([here], tmp_path, repository)
    half = tmp_path / "kafka" / ".partial-killed"
    half.mkdir()
    (half / "there-1.0.jar").write_bytes(b"the")
    there = repository.put("there", b"there")
    repository.asked.clear()
    fetch([here, there], tmp_path, repository)
    assert repository.downloads() == ["there-1.0.jar"]
    assert not half.exists()


def test_halves_are_swept_also_when_no_jar_is_missing(repository: Repository, tmp_path: Path) -> None:
    pins = [repository.put("here", b"here")]
    fetch(pins, tmp_path, repository)
    half = tmp_path / "kafka" / ".partial-killed"
    half.mkdir()
    (half / "here-1.0.jar").write_bytes(b"her")
    with (tmp_path / "kafka" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jars.sweep(tmp_path)
        assert half.exists(), "somebody downloads"
    jars.sweep(tmp_path)
    assert not half.exists()
    assert missing(pins, tmp_path) == []
    jars.sweep(tmp_path / "nothing here yet")


def test_trial_runs_that_were_killed_are_swept_also_when_the_archive_is_there(tmp_path: Path) -> None:
    (tmp_path / ".trial-killed" / "kafka").mkdir(parents=True)
    (tmp_path / "kafka-1.aot").touch()
    with archive.trial(tmp_path / "kafka-1.aot") as folder:
        assert folder is None
    assert not list(tmp_path.glob(".trial-*"))


def test_offline_is_said_in_one_line(tmp_path: Path) -> None:
    pin = Pin("org.example:one:1.0", "0" * 64, 1)
    with pytest.raises(JarProblem, match=r"cannot download one-1\.0\.jar \(ConnectionError\).*go online") as problem:
        ensure_jars([pin], tmp_path, {"nowhere": "http://127.0.0.1:1"})
    assert "\n" not in str(problem.value)


def test_what_the_repository_does_not_have_is_named(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(JarProblem, match=r"one-1\.0\.jar \(the repository does not have it\)"):
        fetch([Pin("org.example:one:1.0", "0" * 64, 1)], tmp_path, repository)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("a file where the folder should be")
    with pytest.raises(JarProblem, match="set FIRSTHOUR_CACHE"):
        ensure_jars([Pin("org.example:one:1.0", "0" * 64, 1)], tmp_path, {"nowhere": "http://127.0.0.1:1"})


WHERE = (
    "from pathlib import Path; from embedded.brokers.jars import cache_folder; print(cache_folder(Path('/instead')))"
)


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"HOME": "/dev/null"}, "/instead"),
        ({"HOME": "{home}", "XDG_CACHE_HOME": "/dev/null/cache"}, "/instead"),
        ({"HOME": "{home}"}, "{home}/.cache/firsthour"),
        ({"HOME": "/dev/null", "XDG_CACHE_HOME": "{home}"}, "{home}/firsthour"),
        ({"HOME": "/dev/null", "FIRSTHOUR_CACHE": "/dev/null/own"}, "/dev/null/own"),
    ],
)
def test_who_has_no_cache_folder_keeps_the_jars_elsewhere(
    environment: dict[str, str], where: str, tmp_path: Path
) -> None:
    own = {name: text.format(home=tmp_path) for name, text in environment.items()}
    said = subprocess.run([sys.executable, "-c", WHERE], env=own, check=True, capture_output=True, text=True).stdout
    assert said.strip() == where.format(home=tmp_path)


TOGETHER = """
import sys
from pathlib import Path
from embedded.brokers.jars import Pin, ensure_jars, missing
url, cache, *pins = sys.argv[1:]
pins = [Pin(*pin.split(",")[:2], int(pin.split(",")[2])) for pin in pins]
ensure_jars(pins, Path(cache), {"here": url})
assert missing(pins, Path(cache)) == []
"""


def test_two_starts_at_once_do_not_disturb_each_other(repository: Repository, tmp_path: Path) -> None:
    pins = [repository.put(f"jar{n}", str(n).encode() * 5000) for n in range(10)]
    words = [f"{pin.coordinate},{pin.sha256},{pin.size}" for pin in pins]
    both = [subprocess.Popen([sys.executable, "-c", TOGETHER, repository.url, str(tmp_path), *words]) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert len(repository.downloads()) == 10, "the second waited for the first"


def test_the_pins_are_whole() -> None:
    pins = read_pins()
    assert pins[0].coordinate == jars.KAFKA
    assert pins[-1].coordinate == jars.LOGGING
    assert len({pin.file_name for pin in pins}) == len(pins)
    assert all(len(bytes.fromhex(pin.sha256)) == 32 for pin in pins)
    assert "://" not in jars.PINS.read_text(), "no registry is named here"
