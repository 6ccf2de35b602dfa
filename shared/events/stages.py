"""How far a contact has come, and which of its two values, or of the two models behind them, is meant."""

from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["visitor", "lead", "customer"]
Account: TypeAlias = Literal["lead", "customer"]
