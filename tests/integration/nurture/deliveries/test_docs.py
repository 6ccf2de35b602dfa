"""The verification that docs/deliveries.md shows is run as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from services.nurture.channels.webhook.signature import parse_secret, signed_headers
from shared.clock import utc_now

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + "QUJD" * 8


def verify(secret: str, headers: dict[str, str], body: bytes) -> None:
    text = (Path(__file__).parents[4] / "docs" / "deliveries.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    names["verify"](secret, headers, body)


def test_the_shown_verification_takes_what_is_signed_and_nothing_else() -> None:
    now = int(utc_now().timestamp())
    keys = [parse_secret(NEW), parse_secret(SECRET)]
    headers = signed_headers(keys, "an-id", now, b'{"a":1}')
    verify(SECRET, headers, b'{"a":1}')
    verify(NEW, headers, b'{"a":1}')
    with pytest.raises(ValueError, match="not signed"):
        verify(SECRET, headers, b'{"a":2}')
    with pytest.raises(ValueError, match="too old"):
        verify(SECRET, signed_headers(keys, "an-id", now - 400, b""), b"")
