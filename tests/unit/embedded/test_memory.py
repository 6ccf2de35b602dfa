"""Kafka and Postgres take no more of a small machine than it can spare."""

import psutil

from embedded.brokers.memory import megabytes

GB = 2**30


def test_a_large_machine_gives_all_that_is_of_use() -> None:
    assert megabytes(512, share=0.25, of=24 * GB) == 512
    assert megabytes(512, share=0.25, of=2 * GB) == 512


def test_a_small_machine_gives_a_share() -> None:
    assert megabytes(512, share=0.25, of=1 * GB) == 256
    assert megabytes(256, share=0.125, of=1 * GB) == 128


def test_it_is_this_machine_unless_another_is_said() -> None:
    total = psutil.virtual_memory().total
    assert megabytes(total, share=0.5) == total // 2 // 2**20
