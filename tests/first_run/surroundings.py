"""The surroundings that a first run has to work in. Each is a line of the table."""

import glob
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

# What the shell of a developer may have set for other programs.
HOSTILE: Final[Mapping[str, str]] = {
    "PGSSLMODE": "verify-full", "PGTARGETSESSIONATTRS": "read-only", "PGHOST": "elsewhere.invalid", "PGPASSFILE": "/no",
    "http_proxy": "http://nonsense.invalid:1", "JAVA_TOOL_OPTIONS": "-Xmx1k", "JDK_JAVA_OPTIONS": "-version",
    "KAFKA_OPTS": "-Dno=such", "CLASSPATH": "/nowhere", "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PYTHONTZPATH": "/nowhere", "PYTHONIOENCODING": "ascii",
    "PIP_USER": "1", "PIP_REQUIRE_HASHES": "1", "PIP_NO_BINARY": ":all:", "PIP_PLATFORM": "win_amd64",
    "LANG": "C", "LC_ALL": "C", "TZ": "Mars/Olympus",
}  # fmt: skip
# And its home folder.
PIP_CONF: Final = "[global]\nrequire-hashes = yes\n[install]\nuser = yes\n"


@dataclass(frozen=True, slots=True)
class Surrounding:
    """Who runs `make run`, where, and with what around.

    `homeless`: its home folder is not there, as for many accounts of services and containers.

    `user`: an account; None: whoever runs this. `mirror`: a Maven repository on this machine that answers slowly, or
    mostly not, before an empty cache; None: the cache of this machine.
    """

    name: str
    user: str | None = None
    folder: str = "firsthour"
    folder_mode: int = 0o755
    umask: int = 0o022
    python: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    pip_conf: str = ""
    homeless: bool = False
    mirror: Literal["slow", "failing"] | None = None


def all_of_this_machine() -> list[Surrounding]:
    """Those that can be had here: root is needed to be somebody else."""
    nobody = Surrounding("ordinary-user", user="nobody")
    others = [nobody, replace(nobody, name="without-a-home", homeless=True)] if os.geteuid() == 0 else []
    umlauts = "Jürgen's Büro & Co, 100% = #1/erste \\Stunde"
    return [
        Surrounding(
            "all-at-once", folder=umlauts, folder_mode=0o700, umask=0o077, environment=HOSTILE, pip_conf=PIP_CONF
        ),
        Surrounding("closed-folder", folder_mode=0o700),
        *others,
        Surrounding("blanks-and-umlauts", folder=umlauts),
        *(Surrounding(f"python-{version}", python=path) for version, path in _pythons()),
        Surrounding("slow-mirror", mirror="slow"),
        Surrounding("failing-mirror", mirror="failing"),
        Surrounding("hostile-shell", environment=HOSTILE, pip_conf=PIP_CONF, umask=0o077),
    ]


def _pythons() -> list[tuple[str, str]]:
    """The system's Python, and the newest there is."""
    found: dict[tuple[int, int], str] = {}
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin"))]  # noqa: PTH111, PTH207
    for minor in range(11, 20):
        for folder in folders:
            path = os.path.join(folder, f"python3.{minor}")  # noqa: PTH118
            if os.access(path, os.X_OK) and "shims" not in path and (3, minor) not in found:
                found[3, minor] = path
    system = sys.version_info[:2]
    chosen = {system: found.get(system, sys.executable)} | ({max(found): found[max(found)]} if found else {})
    return [(f"{major}.{minor}", path) for (major, minor), path in sorted(chosen.items())]
