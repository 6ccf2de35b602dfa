"""How likely a person did it, and the reasons against it. Nothing is dropped here: later rules decide."""

import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from services.ingest.domain.crawlers import is_crawler
from services.ingest.domain.fact import Fact, Told

# Programs that post for a person, such as a site's server that forwards its form: no sign of a robot.
_LIBRARY: Final = re.compile(
    r"(?:curl|wget|python|httpx|aiohttp|guzzle|symfony|wordpress|axios|node|undici|got|okhttp|java|apache-httpclient"
    r"|go-http-client|php|ruby|faraday|rest-client|analytics-|dart|postman|insomnia|libwww|reqwest|dotnet|ktor)",
    re.IGNORECASE,
)
_SCANNED_WITHIN_S: Final = 30.0  # mail scanners follow each link as the mail comes in
_AT_ONCE_S: Final = 1.0
_LONGEST_AGENT: Final = 256  # judging takes milliseconds, and more for a longer one
_MOST_REMEMBERED: Final = 10_000
_MOST_NEW: Final = 8
_judged: dict[str, bool] = {}


class Visitor(NamedTuple):
    """What is known about the visitor: user agent and IP address, whether a hidden field was filled in.

    `fill_s`: seconds from the form's stamp to the post; `least_fill_s`: what a person needs. `forged`: the stamp
    is not ours. `data_centre`: the address is one of a data centre. `after_mail_s`: seconds between
    the mail and the click in it.
    """

    agent: str | None = None
    address: str | None = None
    honeypot: bool = False
    fill_s: float | None = None
    least_fill_s: float = 0.0
    forged: bool = False
    data_centre: bool = False
    after_mail_s: float | None = None


def human_likelihood(visitor: Visitor) -> tuple[float, list[str]]:
    """In [0, 1], and the reasons for less than 1: each reason divides the odds on its own, so the factors multiply."""
    return _weighed(_doubts(visitor))


def _weighed(doubts: Sequence[tuple[float, str]]) -> tuple[float, list[str]]:
    return round(math.prod(factor for factor, _ in doubts), 4), [reason for _, reason in doubts]


def _doubts(visitor: Visitor) -> list[tuple[float, str]]:
    doubts = []
    if visitor.honeypot:
        doubts.append((0.02, "honeypot"))
    if visitor.agent is not None and is_robot(visitor.agent):
        doubts.append((0.05, "robot_agent"))
    if visitor.forged:
        doubts.append((0.2, "forged_stamp"))
    if visitor.fill_s is not None and visitor.fill_s < visitor.least_fill_s:
        doubts.append((0.1 if visitor.fill_s < _AT_ONCE_S else 0.4, "filled_in_too_fast"))
    after = visitor.after_mail_s
    if after is not None and 0 <= after < _SCANNED_WITHIN_S:
        if visitor.data_centre:
            doubts.append((0.02, "data_centre_click_after_mail"))
        elif after < _AT_ONCE_S * 2:
            doubts.append((0.2, "click_at_once_after_mail"))
    elif after is not None and visitor.data_centre:
        doubts.append((0.3, "data_centre_click"))
    return doubts


def is_robot(agent: str) -> bool:
    """Whether a user agent is a known crawler's, preview's or monitor's; a programming library's is not."""
    agent = agent[:_LONGEST_AGENT]
    known = _judged.get(agent)
    if known is None:
        known = bool(agent) and not _LIBRARY.match(agent) and is_crawler(agent)
        if len(_judged) >= _MOST_REMEMBERED:
            del _judged[next(iter(_judged))]
        _judged[agent] = known
    return known


class Agents:
    """The user agents of one request: a few new ones are judged, the others must be cached."""

    new = 0

    def one(self, agent: str | None) -> str | None:
        """The judged agent; None when too many were judged."""
        if agent is None or agent[:_LONGEST_AGENT] in _judged:
            return agent
        self.new += 1
        return agent if self.new <= _MOST_NEW else None


def undoubted(told: Told) -> bool:
    """Whether nothing that a server tells speaks against a person: most of a busy site's events."""
    return told.mail_sent is None and (told.agent is None or not is_robot(told.agent))


def judged(fact: Fact, visitor: Visitor) -> Fact:
    """The fact with its likelihood and reasons; a lower likelihood from the sender is kept."""
    doubts = _doubts(visitor)
    if not doubts or "human_likelihood" not in fact.data.__struct_fields__:
        return fact
    likelihood, reasons = _weighed(doubts)
    before = fact.data
    data = msgspec.structs.replace(
        before,
        human_likelihood=min(likelihood, before.human_likelihood),  # type: ignore[attr-defined]
        likelihood_reasons=[*before.likelihood_reasons, *reasons],  # type: ignore[attr-defined]
    )
    return msgspec.structs.replace(fact, data=data)
