"""Nested time limits: each is the one inside it plus a margin."""

from typing import Final

ASKED_BACK_S: Final = 3.0  # for a look-up at a sender who waits for our answer meanwhile
CONNECT_S: Final = 5.0  # until a webhook's receiver takes the connection
LOOK_S: Final = 10.0  # for what only watches: the canary, the certificate
ATTEMPT_S: Final = 15.0  # one webhook attempt, from DNS look-up to the last byte of the answer
WRITING_S: Final = 3.0  # to record the outcomes and publish the facts
DRAIN_S: Final = ATTEMPT_S + WRITING_S  # from the signal until everything in flight has ended
CUT_OFF_S: Final = DRAIN_S + 2.0  # then the service cancels what is left
KILL_S: Final = CUT_OFF_S + 5.0  # then the supervisor kills the service
MAIL_S: Final = 2 * ATTEMPT_S  # one e-mail, until the server asks for the message
MAIL_ANSWER_S: Final = 600.0  # then until it has taken the message: RFC 5321, 4.5.3.2.6
GOODBYE_S: Final = 2.0  # to leave a connection to a mail server in good order
LEASE_S: Final = 2 * ATTEMPT_S  # after so long without renewal, the holder of a delivery counts as gone
