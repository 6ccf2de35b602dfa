"""What a fit yields: a model as text, how it did on unseen data, and whether it beats the one in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.scoring.domain.model.learnt import Kind, version_of


class TooFewError(ValueError):
    """There is too little to learn from, or nothing new to compare on: everything stays as it is."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`metrics` and `better` come from data that neither it nor the model in force was fitted on."""

    kind: Kind
    parameters: str
    metrics: Mapping[str, Any]
    rows: int
    trained_until: datetime
    better: bool
    said: str

    @property
    def version(self) -> str:
        return version_of(self.kind, self.parameters)
