"""The registry of step kinds, in the order of the docs. A new kind is a module and its line here."""

from typing import Final

from services.nurture.steps.branch import BRANCH
from services.nurture.steps.exit import EXIT
from services.nurture.steps.kind import Kind
from services.nurture.steps.send import SEND
from services.nurture.steps.wait import WAIT
from services.nurture.steps.wait_for import WAIT_FOR

KINDS: Final[tuple[Kind, ...]] = (SEND, WAIT, WAIT_FOR, BRANCH, EXIT)
