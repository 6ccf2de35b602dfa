"""`endpoints.yaml`: where follow-ups go. Each channel defines and reads its own section."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import create_model

from services.nurture.channels.channel import FILE, Channel, Registry, Rep
from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.registry import CHANNELS
from services.nurture.channels.webhook.settings import Webhook
from services.nurture.domain.workflow import EMAIL, TASK
from shared.config import ConfigModel, load


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Everything that workflows can send to: the settings of each channel, by name."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    channels: Registry = field(default_factory=lambda: CHANNELS)

    def of(self, channel: Channel) -> Any:
        """A channel's settings."""
        if channel.name in self.settings:
            return self.settings[channel.name]
        return channel.read(channel.default)

    @property
    def webhooks(self) -> Mapping[str, Webhook]:
        """The receivers of webhooks, by name."""
        return cast("Mapping[str, Webhook]", self.settings.get("webhook", {}))

    @property
    def email(self) -> MailServer | None:
        """The mail server; None when none is configured."""
        return cast("MailServer | None", self.settings.get(EMAIL))

    @property
    def reps(self) -> Mapping[str, Rep]:
        """The people who get tasks, by name."""
        return cast("Mapping[str, Rep]", self.settings.get(TASK, {}))

    def queues(self) -> dict[str, Channel]:
        """Every endpoint queue, with its channel."""
        return {queue: each for each in self.channels.values() for queue in each.queues(self.of(each))}


def load_endpoints(config: Path, channels: Registry = CHANNELS) -> Endpoints:
    """What `<config>/endpoints.yaml` says. Raises ConfigurationError with every problem."""
    fields: dict[str, Any] = {each.section: (each.model, each.default) for each in channels.values()}
    raw = load(config / FILE, create_model("EndpointsModel", __base__=ConfigModel, **fields))
    return Endpoints({name: each.read(getattr(raw, each.section)) for name, each in channels.items()}, channels)


def secret_names(endpoints: Endpoints) -> frozenset[str]:
    """The environment variables that hold secrets which `setup` may make, where nobody has set them.

    A mail server's password is not among them: we cannot choose it.
    """
    references = (each for channel in endpoints.channels.values() for each in channel.secrets(endpoints.of(channel)))
    return frozenset(each.removeprefix("env:") for each in references if each.startswith("env:"))
