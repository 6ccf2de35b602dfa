"""The channels that there are. A new one is a module, its line here, and its name in a migration (CONTRIBUTING)."""

from typing import Final

from services.nurture.channels.channel import Registry, registry
from services.nurture.channels.email.channel import EMAIL
from services.nurture.channels.task import TASK
from services.nurture.channels.webhook.channel import WEBHOOK

CHANNELS: Final[Registry] = registry(EMAIL, WEBHOOK, TASK)
