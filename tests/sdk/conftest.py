import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import browser
from tests.support.missing import missing

__all__ = ["browser", "node"]

_FILES = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Segment's SDKs for Node and the browser, as the lock file names them."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("FIRSTHOUR_NEED_NODE", "There are no node and npm on the PATH (Node.js 20 or newer).")
    folder = tmp_path_factory.mktemp("node") / "sdks"
    shutil.copytree(_FILES, folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder
