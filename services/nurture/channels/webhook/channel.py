"""Webhooks: a queue for each receiver, which knows the id of a delivery and so may get it twice."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from services.nurture.channels.channel import FILE, Channel, Name, Open, Queues, Surroundings
from services.nurture.channels.webhook.http_client import Line, Names, tls_context
from services.nurture.channels.webhook.send import webhook_sender
from services.nurture.channels.webhook.settings import Webhook, WebhookModel
from services.nurture.channels.webhook.signature import parse_secret
from shared import secrets
from shared.config import Document
from shared.errors import ConfigProblem

_SECTION: Final = "webhooks"
_Webhooks = Mapping[str, Webhook]


def _read(raw: Mapping[str, WebhookModel]) -> _Webhooks:
    return {
        name: Webhook(name, each.url, each.secrets, each.concurrency, each.allow_private) for name, each in raw.items()
    }


def _wrong(webhooks: _Webhooks, _config: Path, name: str) -> Iterable[str]:
    if name not in webhooks:
        yield f"no webhook of this name in {FILE}"


def _unused(webhooks: _Webhooks, _config: Path, document: Document, named: Collection[str]) -> Iterable[ConfigProblem]:
    return [document.problem((_SECTION, name), "no workflow uses it") for name in webhooks if name not in named]


def _secrets(webhooks: _Webhooks) -> Iterable[str]:
    return [reference for each in webhooks.values() for reference in each.secrets]


def _prepare(webhooks: _Webhooks, surroundings: Surroundings, problems: list[ConfigProblem]) -> Open:
    keys: dict[str, tuple[bytes, ...]] = {}
    for name, webhook in webhooks.items():
        found = []
        for index, reference in enumerate(webhook.secrets):
            try:
                secret = secrets.resolve(reference, surroundings.environment, surroundings.state)
                found.append(parse_secret(secret))
            except (secrets.MissingSecret, ValueError) as error:
                problems.append(surroundings.document.problem((_SECTION, name, "secrets", index), str(error)))
        keys[name] = tuple(found)

    def open_all(closing: AsyncExitStack) -> Queues:
        names, tls = Names(), tls_context()
        closing.callback(names.close)
        queues = {}
        for name, webhook in webhooks.items():
            line = Line(webhook.url, names=names, tls=tls, allow_private=webhook.allow_private)
            closing.push_async_callback(line.aclose)
            queues[name] = (webhook.concurrency, webhook_sender(line, keys[name]))
        return queues

    return open_all


WEBHOOK: Final = Channel(
    name="webhook",
    section=_SECTION,
    model=dict[Name, WebhookModel],
    default={},
    read=_read,
    queue=lambda target: target,
    queues=sorted,
    repeats_unknown=True,
    wrong=_wrong,
    unused=_unused,
    secrets=_secrets,
    prepare=_prepare,
)
