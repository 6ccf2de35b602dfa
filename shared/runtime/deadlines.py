"""Nested time limits: each is the one inside it plus a margin."""

from typing import Final

ATTEMPT_S: Final = 15.0  # one webhook attempt, from DNS look-up to the last byte of the answer
WRITING_S: Final = 3.0  # to record the outcomes and publish the facts
DRAIN_S: Final = ATTEMPT_S + WRITING_S  # from the signal until everything in flight has ended
CUT_OFF_S: Final = DRAIN_S + 2.0  # then the service cancels what is left
KILL_S: Final = CUT_OFF_S + 5.0  # then the supervisor kills the service
LEASE_S: Final = 2 * ATTEMPT_S  # after so long without renewal, the holder of a delivery counts as gone
