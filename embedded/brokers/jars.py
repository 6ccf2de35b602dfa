"""Kafka's jars: downloaded once by jgo, each checked against its pinned SHA-256 sum at every start.

They lie in a cache that all state folders share. `python -m embedded.brokers.jars --pin` rewrites the pins.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.errors import FirsthourError

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka logs through slf4j and brings no binding; this one is 15 KB and writes to standard error.
LOGGING: Final = "org.slf4j:slf4j-simple:1.7.36"
PINS: Final = Path(__file__).with_name("kafka_jars.txt")
_NOT_NEEDED: Final = {
    "scala-reflect": "only the compiler's macros use it",
    "jackson-dataformat-csv": "only command line tools use it",
    "jspecify": "annotations",
    "commons-beanutils": "commons-validator's XML rules, which Kafka does not use",
    "commons-digester": "the same",
    "commons-collections": "the same",
}
# Fixes that Kafka's own list does not have yet: group → version (annotations have no third number).
_NEWER: Final = {"com.fasterxml.jackson": "2.22.4", "org.apache.logging.log4j": "2.25.5"}
_NO_PATCHES: Final = ("jackson-annotations",)
_AT_ONCE: Final = 8
_ATTEMPTS: Final = 3
_TIMEOUT_S: Final = 30


class JarProblem(FirsthourError):  # noqa: N818 - reads as what happened
    """A jar cannot be downloaded, or is not the pinned one."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: its Maven coordinate, SHA-256 sum and size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """`artifact-version.jar`."""
        _group, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def cache_folder(instead: Path | None = None) -> Path:
    """`$FIRSTHOUR_CACHE`, else `firsthour` in the user's cache folder; `instead` where that cannot be written.

    The accounts of services and containers often have no home.
    """
    if own := os.environ.get("FIRSTHOUR_CACHE"):
        return Path(own).absolute()
    if instead is not None and not _has_cache():
        return instead.absolute()
    return _users_cache()


def _users_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "firsthour"


def _has_cache() -> bool:
    """Whether the user's cache folder is filled, or can be."""
    try:
        folder = _folder(_users_cache())
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # it cannot be made; there is no home at all
        return False
    return os.access(folder, os.W_OK | os.X_OK) or any(folder.glob("*.jar"))


def read_pins(path: Path = PINS) -> tuple[Pin, ...]:
    """The pinned jars, in the order of the class path."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(Pin(coordinate, sha256, int(size)) for coordinate, sha256, size in lines)


def class_path(pins: Sequence[Pin], cache: Path) -> tuple[Path, ...]:
    """The paths of the jars, downloaded or not."""
    return tuple(_folder(cache) / pin.file_name for pin in pins)


def missing(pins: Sequence[Pin], cache: Path) -> list[Pin]:
    """The jars that are absent, or are not the pinned ones."""
    return [pin for pin in pins if not _is(pin, _folder(cache) / pin.file_name)]


def bytes_here(cache: Path) -> int:
    """Bytes on disk, including downloads in progress: files and folders may vanish during the count."""
    total = 0
    for folder, _folders, names in os.walk(_folder(cache)):  # skips folders that it cannot list
        for name in names:
            if name.endswith(".jar"):
                with suppress(OSError):
                    total += Path(folder, name).stat().st_size
    return total


def ensure_jars(pins: Sequence[Pin], cache: Path, repositories: Mapping[str, str] | None = None) -> None:
    """Download the jars that are missing. Raises JarProblem.

    Several processes may call this at once, and a call that was killed leaves what it had finished.
    `repositories` (name → URL): where to ask; by default jgo's own configuration file, then Maven Central.
    """
    folder = _folder(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _download(missing(pins, cache), folder, repositories)
    except OSError as error:
        raise JarProblem(
            f"cannot keep Kafka's jars in {folder}: {error.strerror}; set FIRSTHOUR_CACHE to another folder"
        ) from None


def sweep(cache: Path) -> None:
    """Remove unfinished downloads of killed runs, unless a download is in progress."""
    folder = _folder(cache)
    with suppress(OSError), (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_halves(folder)


def _remove_halves(folder: Path) -> None:
    """Call only under the lock, when nobody else writes."""
    for old in folder.glob(".partial-*"):
        shutil.rmtree(old, ignore_errors=True)


def _folder(cache: Path) -> Path:
    return cache / "kafka"


def _is(pin: Pin, path: Path) -> bool:
    try:
        return path.stat().st_size == pin.size and _sha256(path) == pin.sha256
    except FileNotFoundError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(wanted: Sequence[Pin], folder: Path, repositories: Mapping[str, str] | None) -> None:
    _remove_halves(folder)

    def fetch(pin: Pin) -> None:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            _fetch(pin, Path(partial), repositories).replace(folder / pin.file_name)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="jars") as pool:
        jobs = [pool.submit(fetch, pin) for pin in sorted(wanted, key=lambda pin: -pin.size)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(pin: Pin, folder: Path, repositories: Mapping[str, str] | None) -> Path:
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            path: Path = (
                _context(folder / str(attempt), repositories).create_dependency(pin.coordinate).artifact.resolve()
            )
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            reason = type(error).__name__ if isinstance(error, OSError) else "the repository does not have it"
            continue
        if _is(pin, path):
            return path
        raise JarProblem(
            f"{pin.file_name} is not the file that was pinned (SHA-256 {_sha256(path)}, expected {pin.sha256}): "
            "refused. A proxy or mirror on the way changes it, or embedded/brokers/kafka_jars.txt is wrong."
        )
    raise JarProblem(
        f"cannot download {pin.file_name} ({reason}). Kafka's jars are fetched once from the Maven repository: "
        "go online and start again (what has been fetched stays), or name a mirror in jgo's configuration file."
    )


def _context(folder: Path, repositories: Mapping[str, str] | None) -> Any:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - 0.2 s, and only where something is to be downloaded
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - see above
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - see above

    chosen = (
        dict(repositories) if repositories else {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    )
    # The Python resolver explicitly: the default one needs Maven.
    return MavenContext(resolver=PythonResolver(), repo_cache=folder, remote_repos=chosen, timeout=_TIMEOUT_S)


def resolve_pins() -> tuple[Pin, ...]:
    """What Kafka needs according to Maven's own rules, without what the broker never loads; downloads all of it."""
    with tempfile.TemporaryDirectory(prefix="firsthour-jars-") as folder:
        context = _context(Path(folder), None)
        kafka = context.create_dependency(KAFKA)
        inputs, needed = context.resolver.resolve([kafka])
        chosen = [each for each in [*inputs, *needed] if each.artifactId not in _NOT_NEEDED]
        pins = []
        for found in [*chosen, context.create_dependency(LOGGING)]:
            coordinate = _with_fixes(f"{found.groupId}:{found.artifactId}:{found.version}")
            path = context.create_dependency(coordinate).artifact.resolve()
            pins.append(Pin(coordinate, _sha256(path), path.stat().st_size))
        return tuple(pins)


def _with_fixes(coordinate: str) -> str:
    group, artifact, version = coordinate.split(":")
    for prefix, newer in _NEWER.items():
        if group.startswith(prefix):
            version = newer.rpartition(".")[0] if artifact in _NO_PATCHES else newer
    return f"{group}:{artifact}:{version}"


def write_pins(pins: Sequence[Pin], path: Path = PINS) -> None:
    """Write the file of pins."""
    lines = [f"{pin.coordinate} {pin.sha256} {pin.size}\n" for pin in pins]
    made_by = "python -m embedded.brokers.jars --pin"
    header = f"# Made by `{made_by}`: coordinate, SHA-256, bytes. In the order of the class path.\n"
    path.write_text(header + "".join(lines), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """`--pin` rewrites the pins; without it, download what is missing."""
    parser = argparse.ArgumentParser(prog="python -m embedded.brokers.jars", description=__doc__)
    parser.add_argument("--pin", action="store_true", help="resolve Kafka's jars again and write kafka_jars.txt")
    options = parser.parse_args(arguments)
    if options.pin:
        write_pins(resolve_pins())
    pins = read_pins()
    try:
        if missing(pins, cache_folder()):
            ensure_jars(pins, cache_folder())
    except JarProblem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    megabytes = sum(pin.size for pin in pins) / 1e6
    sys.stdout.write(f"{len(pins)} jars, {megabytes:.1f} MB, in {cache_folder() / 'kafka'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
