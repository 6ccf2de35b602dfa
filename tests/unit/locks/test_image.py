"""What the image leaves out is nothing that we read."""

import re
import subprocess
from pathlib import Path

import phonenumbers

from shared.places import countries

_DOCKERFILE = Path(__file__).parents[3] / "Dockerfile"
_PACKAGE = Path(phonenumbers.__file__).parent


def test_the_names_of_countries_are_in_the_image(tmp_path: Path) -> None:
    """They stand in a folder of which the image drops the rest: without them each lead with a country was a 500."""
    for path in (path for path in _PACKAGE.rglob("*.py") if path.is_file()):
        copy = tmp_path / path.relative_to(_PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    dropped = re.search(r"phonenumbers && (rm -rf .*?) && cd /", _DOCKERFILE.read_text(), re.DOTALL)
    assert dropped is not None
    subprocess.run(["sh", "-c", dropped[1].replace("\\\n", " ")], cwd=tmp_path, check=True)
    read = countries.names_file(tmp_path)
    assert read.is_file()
    assert read.relative_to(tmp_path) == countries.names_file(_PACKAGE).relative_to(_PACKAGE)
    assert [path.name for path in (tmp_path / "geodata").rglob("*.py")] == ["locale.py"]
