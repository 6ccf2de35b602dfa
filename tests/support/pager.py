"""A channel as CONTRIBUTING has one added: this file, a line in the registry, and its name in a migration."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from services.nurture.channels.channel import Channel, Name, Open, Queues, Surroundings
from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted
from shared.config import ConfigModel
from shared.errors import ConfigProblem


class PagerModel(ConfigModel):
    """`night: {spool: /var/spool/pager}`."""

    spool: Path


def _wrong(pagers: Mapping[str, PagerModel], _config: Path, name: str) -> Iterable[str]:
    if name not in pagers:
        yield "no pager of this name"


def _sender(spool: Path) -> Send:
    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        await asyncio.to_thread(spool.write_text, f"{given.id}\n")
        return Result(Accepted())

    return send


def _prepare(pagers: Mapping[str, PagerModel], _surroundings: Surroundings, _problems: list[ConfigProblem]) -> Open:
    def open_all(_closing: AsyncExitStack) -> Queues:
        return {f"pager:{name}": (1, _sender(pager.spool)) for name, pager in pagers.items()}

    return open_all


PAGER: Final = Channel(
    name="pager",
    section="pagers",
    model=dict[Name, PagerModel],
    default={},
    read=lambda raw: raw,
    queue=lambda target: f"pager:{target}",
    queues=lambda pagers: [f"pager:{name}" for name in pagers],
    repeats_unknown=False,
    wrong=_wrong,
    prepare=_prepare,
)
