"""What a person may say of a file that its cells leave open. The command offers these, and starts without the rest."""

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["leads", "purchases"]
DateOrder: TypeAlias = Literal["dmy", "mdy"]
Decimals: TypeAlias = Literal["point", "comma"]
