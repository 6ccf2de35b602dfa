"""The customer model, fitted on all customers."""

from dataclasses import dataclass

from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.customer.rfm import RfmCuts
from services.scoring.domain.customer.spend import SpendModel


@dataclass(frozen=True, slots=True)
class CustomerModel:
    """One fit. The unit of `spend` is the base minor unit."""

    version: str
    purchases: PurchaseModel
    spend: SpendModel
    cuts: RfmCuts
