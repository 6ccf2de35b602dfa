"""How long things may take that wait for one another: each is what the one inside it takes, and a margin."""

from typing import Final

ATTEMPT_S: Final = 15.0  # one attempt of a webhook, from its name's look-up to the last byte of the answer
WRITING_S: Final = 3.0  # what came of attempts is written, and facts of it are published
DRAIN_S: Final = ATTEMPT_S + WRITING_S  # from the signal to the end of what is under way
CUT_OFF_S: Final = DRAIN_S + 2.0  # then a service cancels what is left
KILL_S: Final = CUT_OFF_S + 5.0  # then whoever started the service kills it
LEASE_S: Final = 2 * ATTEMPT_S  # without a sign of life for so long, the holder of a delivery counts as gone
