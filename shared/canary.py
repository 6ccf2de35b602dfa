"""The canary: a lead of our own that takes every lead's way each minute, so that a stop shows before a person waits.

It comes in publicly, by a source whose key nobody else can have, passes each hop as a lead does, and leaves no row
anywhere: what is not stored needs no exception in any list, figure, model or workflow.
"""

import base64
import hashlib
import hmac
from typing import Final

NAME: Final = "firsthour-canary"  # a source that no sources.yaml and no import can name
SOURCE: Final = f"/sources/{NAME}"
UPDATE_TYPE: Final = "canary.updated"  # of the envelope, so that readers of updates need not look inside
_WRITE_KEY: Final = b"firsthour canary: write key"
_RETURN_KEY: Final = b"firsthour canary: return key"


def write_key(key_secret: bytes) -> bytes:
    """The key of its source. Every service of the installation can derive it, and nobody else."""
    return base64.urlsafe_b64encode(hmac.digest(key_secret, _WRITE_KEY, hashlib.sha256)).rstrip(b"=")


def return_key(key_secret: bytes) -> bytes:
    """What its webhook is signed with."""
    return hmac.digest(key_secret, _RETURN_KEY, hashlib.sha256)
