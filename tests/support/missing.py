"""What a machine may lack: the tests that need it are left out, except where the environment says that it has to be there."""

import os
from typing import NoReturn

import pytest


def missing(required_by: str, text: str) -> NoReturn:
    """Skip this test; fail it when the variable `required_by` is 1, as in CI."""
    if os.environ.get(required_by) == "1":
        pytest.fail(text)
    pytest.skip(text)
