"""The options of every command: the folders of configuration and state, and `--json`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shared.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="Folder of the configuration. [FIRSTHOUR_CONFIG]")]
State = Annotated[Path | None, typer.Option("--state", help="Folder of tokens and data. [FIRSTHOUR_STATE]")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]


def place(config: Path | None, state: Path | None) -> None:
    """Options override the environment, for this process and its children."""
    for name, value in (("FIRSTHOUR_CONFIG", config), ("FIRSTHOUR_STATE", state)):
        if value is not None:
            os.environ[name] = str(value)


def settings() -> "Settings":
    """The settings of this process. Raises ConfigurationError."""
    from shared.settings import Settings, load

    return load(Settings)
