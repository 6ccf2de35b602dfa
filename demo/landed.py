"""What the sinks received: webhooks by their id, and mails. The latest few thousand, in memory."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

_KEPT: Final = 5000


@dataclass(frozen=True, slots=True)
class LandedWebhook:
    """One webhook. `receipts`: how often it arrived; more than once only if a response was lost."""

    id: str
    endpoint: str
    received_at: datetime
    payload: dict[str, Any]
    receipts: int = 1


@dataclass(frozen=True, slots=True)
class LandedMail:
    """One mail as a person sees it."""

    to: str
    subject: str
    received_at: datetime
    text: str


@dataclass(slots=True)
class Landed:
    """Everything received, oldest first."""

    webhooks: OrderedDict[str, LandedWebhook] = field(default_factory=OrderedDict)
    mails: deque[LandedMail] = field(default_factory=lambda: deque(maxlen=_KEPT))
    refused: int = 0

    def add_webhook(self, webhook: LandedWebhook) -> None:
        """Keep it, or count another receipt of it."""
        before = self.webhooks.get(webhook.id)
        if before is not None:
            self.webhooks[webhook.id] = replace(before, receipts=before.receipts + 1)
            return
        self.webhooks[webhook.id] = webhook
        if len(self.webhooks) > _KEPT:
            self.webhooks.popitem(last=False)
