"""Learnt models as stored: JSON text whose hash is in the version, so that nothing else is ever used."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias, get_args

from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.customer.rfm import RfmCuts
from services.scoring.domain.customer.spend import SpendModel
from services.scoring.domain.lead.features import Bins, Feature, Levels, column_of
from services.scoring.domain.lead.learnt import LeadModel, Weighed, factor_of
from services.scoring.domain.lead.together import Together
from services.scoring.domain.model.together import read_together, told
from shared.events.stages import Account

Kind: TypeAlias = Account
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class ModelUnusableError(ValueError):
    """A stored model does not match its version, or is unreadable to these rules."""


def version_of(kind: Kind, parameters: str) -> str:
    """The version of a model: its kind, and a hash of all its numbers."""
    return f"{kind}-{hashlib.sha256(parameters.encode()).hexdigest()[:12]}"


def customer_parameters(purchases: PurchaseModel, spend: SpendModel, cuts: RfmCuts) -> str:
    """A customer model as text."""
    return _text(
        {
            "purchases": {
                "kind": purchases.kind,
                **{name: getattr(purchases, name) for name in ("r", "alpha", "a", "b")},
            },
            "spend": {name: getattr(spend, name) for name in ("p", "q", "v")},
            "cuts": {name: getattr(cuts, name) for name in ("recency", "frequency", "monetary")},
        }
    )


def lead_parameters(
    odds: str,
    intercept: float,
    intercept_variance: float,
    features: Sequence[Weighed],
    together: Together | None = None,
) -> str:
    """A lead model as text."""
    return _text(
        {
            "odds": odds,
            "intercept": intercept,
            "intercept_variance": intercept_variance,
            "features": [
                {
                    "name": each.name,
                    "bins": _edges(each.feature),
                    "weights": each.weights,
                    "variances": each.variances,
                    "unseen": each.unseen,
                }
                for each in features
            ],
        }
        | ({} if together is None else {"together": told(together)})
    )


def step_parameters(model: LeadModel) -> str:
    """What was learnt online on top of a lead model, as text: all that a step moves, and not what stays as fitted."""
    return lead_parameters(model.odds, model.intercept, model.intercept_variance, model.features)


def step_of(parameters: str) -> str:
    """The name of an online step: a hash of all its numbers."""
    return hashlib.sha256(parameters.encode()).hexdigest()[:8]


def read_customer(version: str, parameters: str) -> CustomerModel:
    """Read a stored model. Raises ModelUnusableError."""
    said = _read("customer", version, parameters)
    try:
        cuts = {name: tuple(float(cut) for cut in said["cuts"][name]) for name in ("recency", "frequency", "monetary")}
        return CustomerModel(version, PurchaseModel(**said["purchases"]), SpendModel(**said["spend"]), RfmCuts(**cuts))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnusableError(f"{version} cannot be read: {type(error).__name__}") from None


def read_lead(version: str, parameters: str) -> LeadModel:
    """Read a stored model. Raises ModelUnusableError."""
    return _lead(version, _read("lead", version, parameters))


def read_step(fitted: LeadModel, step: str, parameters: str) -> LeadModel:
    """A lead model with what was learnt online since its fit. Raises ModelUnusableError."""
    if step_of(parameters) != step:
        raise ModelUnusableError(f"the step {step} of {fitted.version} is not what its name says: it was changed")
    return replace(_lead(fitted.version, _document(fitted.version, parameters)), step=step, together=fitted.together)


def _lead(version: str, said: Mapping[str, Any]) -> LeadModel:
    try:
        features = [
            Weighed(
                each["name"],
                Levels(frozenset(each["weights"])) if each["bins"] is None else Bins(tuple(each["bins"])),
                each["weights"],
                each.get("variances", {}),  # none in a model of an earlier release: nothing moves it
                each.get("unseen", 0.0),
            )
            for each in said["features"]
        ]
        source, traits, engagement, time = (
            tuple(each for each in features if factor_of(column_of(each.name)) == factor)
            for factor in ("source", "traits", "engagement", "time")
        )
        unsure = said.get("intercept_variance", 0.0)
        together = read_together(said["together"]) if "together" in said else None
        return LeadModel(
            version, said["odds"], said["intercept"], source, traits, engagement, time, unsure, together=together
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelUnusableError(f"{version} cannot be read: {type(error).__name__}") from None


def _read(kind: Kind, version: str, parameters: str) -> Mapping[str, Any]:
    if version_of(kind, parameters) != version:
        raise ModelUnusableError(f"{version} is not what its version says: it was changed after its fit")
    return _document(version, parameters)


def _document(version: str, parameters: str) -> Mapping[str, Any]:
    said = json.loads(parameters)
    if not isinstance(said, dict):
        raise ModelUnusableError(f"{version} cannot be read")
    return said


def _edges(feature: Feature) -> list[float] | None:
    return list(feature.edges) if isinstance(feature, Bins) else None


def _text(said: dict[str, Any]) -> str:
    return json.dumps(said, allow_nan=False, sort_keys=True)
