"""Where a message goes, and which ones are too large to go."""

from shared.kafka.producer import partition_of, too_large
from shared.kafka.records import Outgoing
from shared.kafka.topics import MAX_MESSAGE_BYTES

TWELVE = range(12)


def test_a_key_has_its_partition_for_ever() -> None:
    """CRC32 as librdkafka's `consistent`: another partition would break the order of every contact's events."""
    assert partition_of(b"123456789", TWELVE, ()) == 0xCBF43926 % 12  # the check value of CRC-32
    assert partition_of(b"a", TWELVE, ()) == 0xE8B7BE43 % 12
    assert partition_of(b"", [30, 31, 32], ()) == 30, "an empty key is a key"


def test_a_message_without_a_key_goes_anywhere() -> None:
    assert {partition_of(None, TWELVE, ()) for _ in range(2000)} == set(TWELVE)


def test_key_and_value_together_leave_room_for_what_kafka_adds() -> None:
    room = MAX_MESSAGE_BYTES - 4096
    assert not too_large(Outgoing("events", None, b"x" * room))
    assert too_large(Outgoing("events", b"k", b"x" * room))
    assert not too_large(Outgoing("events", b"k", b"x" * (room - 1)))
