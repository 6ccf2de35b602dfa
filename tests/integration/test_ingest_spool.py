"""The spool on a real disk: fsynced, in order, bounded, never shared wrongly, and whole after kill -9."""

import asyncio
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest

from services.ingest.spool import Spool, SpoolFull
from shared.kafka.records import Outgoing


def event(number: int, size: int = 200) -> Outgoing:
    return Outgoing("firsthour.events", b"key", f"{number:06}".encode().ljust(size, b"."), (("content-type", b"x:y"),))


async def drained(spool: Spool) -> list[Outgoing]:
    found: list[Outgoing] = []
    while (oldest := await spool.oldest()) is not None:
        found += oldest.outgoing
        await spool.forget(oldest)
    return found


async def test_what_is_put_comes_out_in_order_and_only_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**9)
    events = [event(n) for n in range(1200)]
    await asyncio.gather(*(spool.put(each) for each in events))
    assert spool.pending == 1200
    assert await drained(spool) == events
    assert (spool.pending, spool.bytes) == (0, 0)
    await spool.close()


async def test_it_survives_its_process(tmp_path: Path) -> None:
    first = Spool(tmp_path, max_bytes=10**9)
    await first.put(event(1))
    await first.close()
    second = Spool(tmp_path, max_bytes=10**9)
    assert second.pending == 1
    assert await drained(second) == [event(1)]
    await second.close()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}, "it holds personal data"


async def test_it_is_bounded_and_takes_more_once_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    for number in range(3):
        await spool.put(event(number))
    with pytest.raises(SpoolFull):
        await spool.put(event(4))
    await drained(spool)
    await spool.put(event(5))
    await spool.close()


async def test_two_workers_have_a_file_each_and_one_adopts_the_other_s_when_it_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, max_bytes=10**9), Spool(tmp_path, max_bytes=10**9)
    await first.put(event(1))
    await second.put(event(2))
    assert await second.adopt() == 0, "the first still holds its file"
    await first.close()
    assert await second.adopt() == 1
    assert await drained(second) == [event(2), event(1)]
    await second.close()


async def test_a_full_disk_is_said_and_takes_nothing_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**9)
    await spool.put(event(1))
    # SQLite's own bound stands in for the disk's: the same error, the same rollback.
    await spool._call(lambda: spool._file._db.execute("PRAGMA max_page_count = 8").fetchone())
    with pytest.raises(SpoolFull, match="full"):
        await spool.put(event(2, size=100_000))
    assert await drained(spool) == [event(1)]
    await spool.close()


def _put_for_ever(folder: Path, acknowledged: int) -> None:
    async def main() -> None:
        spool, number = Spool(folder, max_bytes=10**9), 0

        async def put(which: int) -> None:
            await spool.put(event(which))
            os.write(acknowledged, f"{which:06}\n".encode())

        while True:
            await asyncio.gather(*(put(number + n) for n in range(50)))
            number += 50

    asyncio.run(main())


async def test_nothing_acknowledged_is_lost_over_twenty_kills(tmp_path: Path) -> None:
    dice = random.Random(20)
    for round_number in range(20):
        folder = tmp_path / str(round_number)
        read, write = os.pipe()
        process = multiprocessing.get_context("fork").Process(target=_put_for_ever, args=(folder, write))
        process.start()
        os.close(write)
        acknowledged = b""
        wanted = dice.randrange(1, 400) * 7
        while len(acknowledged) < wanted:
            acknowledged += os.read(read, 65536)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while more := os.read(read, 65536):
            acknowledged += more
        os.close(read)

        spool = Spool(folder, max_bytes=10**9)
        kept = {out.value[:6] for out in await drained(spool)}
        await spool.close()
        assert {line for line in acknowledged.split(b"\n") if len(line) == 6} <= kept
