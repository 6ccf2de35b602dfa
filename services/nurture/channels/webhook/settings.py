"""What `endpoints.yaml` says of webhooks: who receives them, and the secrets that sign them."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.nurture.channels.channel import Reference
from shared.config import ConfigModel
from shared.limits import LONGEST_URL


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver. `secrets` are references; each attempt is signed with all of them, the first is the newest.

    `concurrency`: requests at once. `allow_private`: it may be on the own network or this machine.
    """

    name: str
    url: str
    secrets: tuple[str, ...]
    concurrency: int
    allow_private: bool


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://example.com/hooks/firsthour")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; receivers know us by the signature")
    if parts.fragment:
        raise ValueError("must not have a fragment (#…): it would not be sent")
    if port == 0 or any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("is not usable as a URL")
    return text


class WebhookModel(ConfigModel):
    """`crm: {url: "https://…", secrets: [env:CRM_SECRET]}`."""

    url: Annotated[str, StringConstraints(max_length=LONGEST_URL), AfterValidator(_url)]
    secrets: tuple[Reference, ...] = Field(min_length=1, max_length=4)
    concurrency: int = Field(default=8, ge=1, le=256)
    allow_private: bool = False

    @model_validator(mode="after")
    def _encrypted(self) -> "WebhookModel":
        if self.url.startswith("http:") and not self.allow_private:
            raise ValueError(
                "http:// sends personal data readable by anyone: use https://, or allow_private: true"
                " for a receiver on the own network"
            )
        return self
