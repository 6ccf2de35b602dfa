"""What an installation adds to somebody's environment: one name, and a command that works."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from shared.secrets import ensure_state_secrets

ROOT = Path(__file__).parents[2]
SECRETS = ("WEBSITE_KEY", "SHOP_KEY", "APP_KEY", "MA_SECRET", "ONCALL_SECRET", "ESCALATE_SECRET")


def run(*command: str | Path, **more: str) -> str:
    """Somewhere else, and with nothing in the environment that says where our code is."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("FIRSTHOUR_", "PYTHON"))}
    done = subprocess.run(
        [*command], cwd="/", env=clean | more, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_adds_one_name_and_its_command_works(tmp_path: Path) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    uv = shutil.which("uv", path=programs)
    assert uv is not None
    apart = ("--offline", "--no-build-isolation", "--python", sys.executable)
    run(uv, "build", "--wheel", *apart, "--out-dir", tmp_path, ROOT, PATH=programs)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"firsthour"}

    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python, firsthour = home / "bin" / "python", home / "bin" / "firsthour"
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel)
    (packages,) = home.glob("lib/python3*/site-packages")
    (packages / "what-it-needs.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    assert "dead-letters" in run(firsthour, "--help")
    assert "dead-letters" in run(python, "-m", "firsthour", "--help")
    state = tmp_path / "state"
    state.mkdir()
    ensure_state_secrets(state, SECRETS)
    run(firsthour, "check", FIRSTHOUR_CONFIG=str(ROOT / "config"), FIRSTHOUR_STATE=str(state))
    child = "import firsthour, subprocess, sys; sys.argv[1:] = ['--help']; firsthour.main()"
    told = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import services; print(*services.__path__)'])"
    )
    found = run(python, "-c", f"import atexit; atexit.register(lambda: exec({told!r})); {child}")
    assert str(packages / "firsthour" / "services") in found, "its children know where it is"
