"""The webhook receiver in a thread of its own, for tests that block while they start and kill processes."""

from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from standardwebhooks import Webhook

from tests.support.servers import apart
from tests.support.webhook_receiver import Received, Receiver, receiving


def verified(received: Received, secret: str) -> dict[str, Any]:
    """The payload. Raises when the signature is not what the `standardwebhooks` package computes."""
    Webhook(secret).verify(received.body.decode(), received.headers)
    payload: dict[str, Any] = msgspec.json.decode(received.body)
    return payload


def ids(receiver: Receiver, path: str) -> Counter[str]:
    """How often each webhook-id came in on this path."""
    return Counter(r.headers["webhook-id"] for r in list(receiver.received) if r.path == path)


def receiving_apart() -> AbstractContextManager[Receiver]:
    """A receiver on a free port, answering whatever this thread does, until the block ends."""
    return apart(receiving)
