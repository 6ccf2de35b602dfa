"""The build backend: uv's, but for a wheel that keeps all of ours below `firsthour/`.

So an installation adds one name to somebody's environment, and not `shared` or `demo`. `make install` is editable
and needs no such folder.
"""

import os
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import uv_build
from uv_build import build_editable, build_sdist

__all__ = ["build_editable", "build_sdist", "build_wheel"]
_BESIDE = ("README.md", "LICENSE")


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, _metadata_directory: str | None = None
) -> str:
    """Lay the packages out as they are to be installed, and build that. Returns the wheel's file name."""
    root, target = Path.cwd(), Path(wheel_directory).resolve()
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    packages = tomllib.loads(text)["tool"]["uv"]["build-backend"]["module-name"]
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        (stage / "pyproject.toml").write_text(staged(text), encoding="utf-8")
        for each in _BESIDE:
            shutil.copy(root / each, stage)
        shutil.copytree(root / "distribution" / "firsthour", stage / "firsthour")
        for package in packages:
            shutil.copytree(root / package, stage / "firsthour" / package, ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(stage)
        try:
            return uv_build.build_wheel(str(target), config_settings)
        finally:
            os.chdir(root)


def staged(pyproject: str) -> str:
    """The project as it is laid out for the wheel."""
    lines = []
    for line in pyproject.splitlines():
        if line.startswith("module-name = "):
            lines.append('module-name = "firsthour"')
        elif line == 'firsthour = "services.cli.main:main"':
            lines.append('firsthour = "firsthour:main"')
        else:
            lines.append(line)
    return "\n".join([*lines, ""])
