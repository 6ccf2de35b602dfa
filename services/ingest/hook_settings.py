"""What sources.yaml says of another service's webhooks: its secrets and options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from shared import secrets
from shared.config import ConfigModel

HookKind: TypeAlias = Literal[
    "stripe", "shopify", "woocommerce", "typeform", "calendly", "tally", "hubspot", "meta", "google", "generic"
]
HOOK_KINDS: Final[tuple[str, ...]] = get_args(HookKind)


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Resolved: `secrets` verify signatures (two while rotating), `options` are the sender's own."""

    secrets: tuple[str, ...] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


class RawHook(ConfigModel):
    """The keys of a source that is another service's webhook."""

    secrets: tuple[str, ...] = ()

    def settings(
        self, environment: Mapping[str, str], state: Path
    ) -> tuple[HookSettings, list[tuple[tuple[str | int, ...], str]]]:
        """The secrets, resolved, and what is wrong with which key: without a secret nothing is accepted."""
        found: list[str] = []
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        if not self.secrets:
            wrong.append(((), "needs the sender's signing secret: `secrets: [env:NAME]`"))
        for index, reference in enumerate(self.secrets):
            if not secrets.is_reference(reference):
                wrong.append((("secrets", index), "must be a reference, env:NAME or file:/path, never the secret"))
                continue
            try:
                found.append(secrets.resolve(reference, environment, state))
            except secrets.MissingSecret as error:
                wrong.append((("secrets", index), str(error)))
        return HookSettings(tuple(found)), wrong
