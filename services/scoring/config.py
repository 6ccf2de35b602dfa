"""`scoring.yaml`: what a business says about value, compiled into what the rules need."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from services.scoring.config_response import Response, at_risk, curve
from services.scoring.config_types import (
    Amount,
    Country,
    Currency,
    Domain,
    Length,
    NotAbove0,
    Number,
    Positive,
    RateTable,
    Share,
    TimeZone,
)
from services.scoring.domain.customer.tiers import Tiers
from services.scoring.domain.customer.value import monthly
from services.scoring.domain.funnel.bottleneck import TARGETS, Target
from services.scoring.domain.model.model import Home, Model
from services.scoring.domain.model.pricing import Pricing
from services.scoring.domain.model.queue_settings import QueueSettings
from services.scoring.domain.model.rates import Rates
from services.scoring.domain.model.scorecard import Against, FitRule, Scorecard, SourceModel
from shared.config import ConfigModel, read, validate
from shared.durations import DAY_S, parse_duration
from shared.errors import ConfigurationError
from shared.money import to_minor
from shared.places.zones import zone_of_country

FILE: Final = "scoring.yaml"
_POINTS_PER_LOG_ODD: Final = 20 / math.log(2)  # 20 points double the odds
_PRICING: Final = ("currency", "rates", "margin_rate")
_MOST_OWN: Final = 4  # half-lives of single kinds of engagement
_QUEUE: Final = ("response", "handling_minutes")
_SUMS: Final = 3  # the version of what is summed over a contact's orders; another number reprices all of them


class _Source(ConfigModel):
    conversion: Share
    cost: Amount = "0.00"
    estimate_limit: Amount = "10000.00"


class _Fit(ConfigModel):
    trait: str
    points: Number
    in_: Annotated[tuple[str, ...] | None, Field(alias="in")] = None
    at_least: Number | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> "_Fit":
        if [self.in_, self.at_least, self.present].count(None) != 2:  # noqa: PLR2004 - one of three is said
            raise ValueError("say one of `in`, `at_least` and `present`")
        return self


class _Engagement(ConfigModel):
    half_lives: Annotated[tuple[Length, ...], Field(min_length=1, max_length=4)] = ("1d", "14d")
    weight: Number = 0.35
    points: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(default_factory=lambda: {"default": 1.0})
    half_life: Annotated[dict[str, Length], Field(max_length=100)] = Field(default_factory=dict)

    @field_validator("half_life")
    @classmethod
    def _few(cls, of_kinds: dict[str, str]) -> dict[str, str]:
        if "default" in of_kinds:
            raise ValueError("names kinds of engagement; all others fade by `half_lives`")
        if len({_seconds(text) for text in of_kinds.values()}) > _MOST_OWN:
            raise ValueError(f"at most {_MOST_OWN} different ones: each is counted for everybody")
        return of_kinds


class _Recency(ConfigModel):
    per_day: NotAbove0 = -0.05
    at_most: NotAbove0 = -2.0


class _Competitors(ConfigModel):
    domains: tuple[Domain, ...]
    points: NotAbove0


class _Negative(ConfigModel):
    free_mail: NotAbove0 = 0.0
    competitors: _Competitors = _Competitors(domains=(), points=0.0)
    unsubscribed: NotAbove0 = 0.0
    no_mail: NotAbove0 = 0.0


class _Caps(ConfigModel):
    traits: Positive | None = None
    engagement: Positive | None = None


class _Revenue(ConfigModel):
    default: Amount = "1000.00"


class _Horizon(ConfigModel):
    months: Annotated[int, Field(ge=1, le=120)] = 36
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.10


class _Advocacy(ConfigModel):
    referral: Annotated[float, Field(ge=0, le=1)] = 0.10
    promoter: Annotated[float, Field(ge=-1, le=1)] = 0.0
    detractor: Annotated[float, Field(ge=-1, le=1)] = 0.0


class _Funnel(ConfigModel):
    qualified: Positive = 3.0
    targets: dict[Target, Share] = Field(default_factory=dict)


class _File(ConfigModel):
    currency: Currency = "EUR"
    rates: dict[Currency, RateTable] = Field(default_factory=dict)
    sources: dict[str, _Source]
    fit: tuple[_Fit, ...] = ()
    engagement: _Engagement = _Engagement()
    negative: _Negative = _Negative()
    caps: _Caps = _Caps()
    recency: _Recency = _Recency()
    revenue: _Revenue = _Revenue()
    lead_margin: Annotated[float, Field(gt=0, le=1)] = 1.0
    margin_rate: Annotated[float, Field(ge=0, le=1)] = 0.35
    response: Response = Response()
    handling_minutes: Positive = 12
    horizon: _Horizon = _Horizon()
    tiers: Annotated[dict[Annotated[str, Field(min_length=1, max_length=40)], Amount], Field(max_length=20)] = Field(
        default_factory=dict
    )
    advocacy: _Advocacy = _Advocacy()
    funnel: _Funnel = _Funnel()
    country: Country | None = None
    time_zone: TimeZone | None = None


def load_scoring(config: Path) -> Model:
    """What `<config>/scoring.yaml` says. Raises ConfigurationError with every problem."""
    document = read(config / FILE)
    raw = validate(document, _File)
    if "default" not in raw.sources:
        raise ConfigurationError([document.problem(("sources",), "needs an entry `default` for every other source")])
    return compile_model(raw)


def compile_model(raw: _File) -> Model:
    """The model; the version of each part is a hash of all that it says."""
    # No value depends on what is left out.
    said = raw.model_dump(mode="json", exclude={"country": True, "time_zone": True, "funnel": {"targets"}})
    return Model(
        scorecard=_scorecard(raw, said),
        pricing=Pricing(
            "pricing-" + _hash({"sums": _SUMS} | {name: said[name] for name in _PRICING}),
            Rates(raw.currency, {code: _rates(table) for code, table in raw.rates.items()}),
            raw.margin_rate,
        ),
        queue=QueueSettings(
            "queue-" + _hash({name: said[name] for name in _QUEUE}),
            curve(raw.response),
            raw.handling_minutes,
            {name: curve(own) for name, own in raw.response.sources.items()},
            at_risk(raw.response.customers),
            raw.response.at_random,
            raw.response.learn,
        ),
        home=Home(raw.country, raw.time_zone or (zone_of_country(raw.country) if raw.country else None)),
        targets={stage: raw.funnel.targets.get(stage, share) for stage, share in TARGETS.items()},
    )


def _scorecard(raw: _File, said: Mapping[str, Any]) -> Scorecard:
    currency = raw.currency
    common = tuple(sorted({_seconds(text) for text in raw.engagement.half_lives}))
    own_half_life = {kind: _seconds(text) for kind, text in raw.engagement.half_life.items()}
    revenue = to_minor(raw.revenue.default, currency)
    points = {kind: float(value) for kind, value in raw.engagement.points.items()}
    elsewhere = {*_PRICING, *_QUEUE} - {"currency"}  # its sums are in that
    return Scorecard(
        version="scorecard-" + _hash({name: value for name, value in said.items() if name not in elsewhere}),
        odds="odds-" + _hash(_odds(said)),
        sources={
            name: SourceModel(
                _log_odds(each.conversion), to_minor(each.cost, currency), to_minor(each.estimate_limit, currency)
            )
            for name, each in raw.sources.items()
        },
        fit=tuple(_fit(rule) for rule in raw.fit),
        against=_against(raw.negative),
        most_fit=_cap(raw.caps.traits),
        most_engagement=_cap(raw.caps.engagement),
        half_lives=tuple(sorted({*common, *own_half_life.values()})),
        own_half_life=own_half_life,
        common=common,
        engagement_weight=raw.engagement.weight,
        points=points,
        default_points=points.get("default", 1.0),
        recency_per_second=raw.recency.per_day / DAY_S,
        recency_floor=raw.recency.at_most,
        revenue=revenue,
        lead_margin=raw.lead_margin,
        horizon_months=raw.horizon.months,
        monthly_discount=monthly(raw.horizon.discount),
        tiers=_tiers(raw.tiers, currency),
        referral_share=raw.advocacy.referral,
        promoter_share=raw.advocacy.promoter,
        detractor_share=raw.advocacy.detractor,
        qualified_at=round(raw.funnel.qualified * raw.sources["default"].conversion * revenue),
    )


def _odds(said: Mapping[str, Any]) -> dict[str, Any]:
    conversion = {name: source["conversion"] for name, source in said["sources"].items()}
    odds = {"sources": conversion} | {name: said[name] for name in ("fit", "engagement", "recency")}
    # Left out as long as they say nothing, so that a model of an earlier release stays beside its scorecard.
    odds["engagement"] = {name: value for name, value in said["engagement"].items() if name != "half_life" or value}
    nothing = {"negative": _Negative().model_dump(mode="json"), "caps": _Caps().model_dump(mode="json")}
    return odds | {name: said[name] for name in nothing if said[name] != nothing[name]}


def _tiers(said: Mapping[str, str], currency: str) -> Tiers:
    tiers = [(name, to_minor(threshold, currency)) for name, threshold in said.items()]
    return tuple(sorted(tiers, key=lambda each: (-each[1], each[0])))


def _hash(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _seconds(length: str) -> float:
    return float(parse_duration(length).nominal_seconds)


def _rates(table: Mapping[str, str]) -> tuple[tuple[date, Decimal], ...]:
    return tuple((date.fromisoformat(day), Decimal(rate)) for day, rate in sorted(table.items(), reverse=True))


def _against(raw: _Negative) -> Against:
    return Against(
        free_mail=raw.free_mail / _POINTS_PER_LOG_ODD,
        competitor=raw.competitors.points / _POINTS_PER_LOG_ODD,
        competitors=frozenset(raw.competitors.domains),
        unsubscribed=raw.unsubscribed / _POINTS_PER_LOG_ODD,
        no_mail=raw.no_mail / _POINTS_PER_LOG_ODD,
    )


def _cap(points: float | None) -> float:
    return math.inf if points is None else points / _POINTS_PER_LOG_ODD


def _fit(rule: _Fit) -> FitRule:
    return FitRule(
        trait=rule.trait,
        log_odds=rule.points / _POINTS_PER_LOG_ODD,
        among=frozenset(each.lower() for each in rule.in_) if rule.in_ is not None else None,
        at_least=rule.at_least,
        present=rule.present,
    )
