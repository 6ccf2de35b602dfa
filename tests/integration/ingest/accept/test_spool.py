"""The spool on a real disk: fsynced, in order, bounded, never shared wrongly, and whole after kill -9 and damage."""

import asyncio
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest

from services.ingest.accept.spool import Spool, SpoolFull
from shared.kafka.records import Outgoing
from tests.support.small_disk import small_disk


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
    events = [event(n) for n in range(9000)]  # more than one file
    await asyncio.gather(*(spool.put(events[n : n + 3]) for n in range(0, len(events), 3)))
    assert spool.pending == 9000
    assert len(list(tmp_path.glob("*/*.events"))) > 1
    assert await drained(spool) == events
    assert (spool.pending, spool.bytes) == (0, 0)
    assert list(tmp_path.glob("*/*.events")) == [], "it holds personal data: what is drained is gone"
    await spool.close()


async def test_it_survives_its_process(tmp_path: Path) -> None:
    first = Spool(tmp_path, max_bytes=10**9)
    await first.put([event(1)])
    held = first.bytes
    await first.close()
    second = Spool(tmp_path, max_bytes=10**9)
    assert (second.pending, second.bytes) == (1, held)
    await second.put([event(2)])
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")} == {0}, "it holds personal data"
    assert await drained(second) == [event(1), event(2)]
    await second.close()


async def test_what_comes_while_it_is_drained_stays_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**9)
    await spool.put([event(1)])
    oldest = await spool.oldest()
    assert oldest is not None
    await spool.put([event(2)])
    await spool.forget(oldest)
    assert spool.pending == 1
    assert await drained(spool) == [event(2)]
    await spool.close()


async def test_who_hangs_up_stops_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**9)
    putting = asyncio.create_task(spool.put([event(1)]))
    await asyncio.sleep(0)  # counted, and not yet written
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await spool.put([event(2)])
    assert spool.pending == 2
    assert await drained(spool) == [event(1), event(2)]
    await spool.close()


async def test_it_is_bounded_and_takes_more_once_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    for number in range(3):
        await spool.put([event(number)])
    with pytest.raises(SpoolFull):
        await spool.put([event(4)])
    await spool.probe()
    assert spool.pending == 3
    await drained(spool)
    await spool.put([event(5)])
    assert (spool.refusing, spool.pending) == (None, 1)
    await spool.close()


async def test_two_workers_have_a_place_each_and_one_adopts_the_other_s_when_it_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, max_bytes=10**9), Spool(tmp_path, max_bytes=10**9)
    await first.put([event(1)])
    await second.put([event(2)])
    assert await second.adopt() == 0, "the first still holds its place"
    await first.close()
    assert await second.adopt() == 1
    assert second.pending == 2
    third = Spool(tmp_path, max_bytes=10**9)
    assert (third.pending, await third.adopt()) == (0, 0), "what was adopted is held as well"
    await second.put([event(3)])
    assert await drained(second) == [event(1), event(2), event(3)], "what a dead process left is older"
    assert (second.pending, second.bytes) == (0, 0)
    await second.close()
    await third.close()


async def test_what_was_adopted_counts_towards_the_bound_and_for_how_long_it_has_waited(tmp_path: Path) -> None:
    dead = Spool(tmp_path, max_bytes=10**9)
    await dead.put([event(n) for n in range(10)])
    await dead.close()
    (left,) = tmp_path.glob("*/*.events")
    os.utime(left, (1_000_000, 1_000_000))
    first, spool = Spool(tmp_path, max_bytes=1000), Spool(tmp_path, max_bytes=1000)
    assert (first.since, first.pending, spool.since) == (1_000_000, 10, None), "its own, from before its start"
    await first.close()
    assert await spool.adopt() == 10
    assert spool.since == 1_000_000
    with pytest.raises(SpoolFull):
        await spool.put([event(11)])
    await spool.probe()
    assert spool.refusing, "there is room on the disk, and not within its bound"
    assert len(await drained(spool)) == 10
    await spool.probe()
    await spool.put([event(11)])
    assert spool.pending == 1
    assert spool.since > 1_000_000
    await spool.close()


async def test_what_is_being_written_when_it_is_closed_is_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=10**9)
    putting = [asyncio.create_task(spool.put([event(n)])) for n in range(50)]
    await asyncio.sleep(0)  # counted, and not yet written
    await spool.close()
    await asyncio.gather(*putting)
    again = Spool(tmp_path, max_bytes=10**9)
    assert await drained(again) == [event(n) for n in range(50)]
    await again.close()


async def test_a_place_is_adopted_while_others_go_on(tmp_path: Path) -> None:
    dead, spool = Spool(tmp_path, max_bytes=10**9), Spool(tmp_path, max_bytes=10**9)
    left = [event(n) for n in range(5000)]
    await dead.put(left)
    await dead.close()
    new = [event(n) for n in range(5000, 5400)]
    adopted, *_ = await asyncio.gather(spool.adopt(), *(spool.put([each]) for each in new))
    assert adopted == 5000
    assert spool.pending == 5400
    assert await drained(spool) == left + new
    assert (spool.pending, spool.bytes) == (0, 0)
    await spool.close()


async def test_a_full_disk_is_said_loses_nothing_and_can_still_be_drained(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        spool = Spool(tmp_path, max_bytes=10**9)
        events = [event(n, size=10_000) for n in range(40)]
        await spool.put(events[:20])
        disk.fill()
        for _ in range(5):
            with pytest.raises(SpoolFull):
                await spool.put([event(100, size=10_000)])
        assert spool.pending == 20
        await spool.probe()
        assert spool.refusing, "it is still full"
        disk.free()
        await spool.probe()
        assert spool.refusing is None
        await spool.put(events[20:])
        disk.fill()
        with pytest.raises(SpoolFull):
            await asyncio.gather(*(spool.put([event(n, size=10_000)]) for n in range(100, 110)))
        assert await drained(spool) == events, "to delete needs no room"
        assert (spool.pending, spool.bytes) == (0, 0)
        disk.free()
        await spool.put([event(200, size=10_000)])
        assert spool.refusing is None
        await spool.close()


def _spoil(file: Path, how: str, dice: random.Random) -> None:
    """Do to a file of the spool what a power loss or a bad disk does."""
    data = bytearray(file.read_bytes())
    middle = dice.randrange(len(data) // 3, len(data) * 2 // 3)
    match how:
        case "garbled":
            data[middle : middle + 50] = dice.randbytes(50)
        case "zeros":
            data[middle : middle + 4096] = bytes(4096)
        case "length":  # of a record in the middle: it seems to reach beyond the end
            at = data.index(b"\xf5FH1", middle) + 8
            data[at : at + 4] = b"\xff\xff\xff\x7f"
        case "missing":
            del data[middle : middle + 500]
        case "garbage behind":
            data += dice.randbytes(100)
        case "nothing right":
            data[:] = dice.randbytes(len(data))
    file.write_bytes(data)


@pytest.mark.parametrize("how", ["garbled", "zeros", "length", "missing", "garbage behind", "nothing right"])
async def test_damage_costs_what_it_hit_and_is_kept_aside(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Spool(tmp_path, max_bytes=10**9)
    events = [event(n) for n in range(6000)]  # in two files
    for n in range(0, len(events), 1500):
        await first.put(events[n : n + 1500])
    await first.close()
    files = sorted(tmp_path.glob("*/*.events"))
    assert len(files) == 2
    _spoil(files[0], how, random.Random(how))
    spoilt = files[0].read_bytes()

    spool = Spool(tmp_path, max_bytes=10**9)
    assert spool.damaged == 1
    assert "spool_damaged" in capsys.readouterr().out
    found = await drained(spool)
    lost = set(events) - set(found)
    assert found == [each for each in events if each not in lost], "nothing is out of order or made up"
    assert len(lost) <= {"nothing right": 4500, "garbage behind": 0}.get(how, 20)
    assert (spool.pending, spool.bytes) == (0, 0)
    await spool.put([event(7000)])
    assert await drained(spool) == [event(7000)]
    await spool.close()
    (aside,) = tmp_path.glob("*/*.damaged")
    assert aside.read_bytes() == spoilt
    third = Spool(tmp_path, max_bytes=10**9)
    assert third.damaged == 1, "until a person takes it away"
    aside.unlink()
    await third.adopt()
    assert third.damaged == 0
    await third.close()


async def test_a_record_that_was_never_whole_is_no_damage(tmp_path: Path) -> None:
    first = Spool(tmp_path, max_bytes=10**9)
    await first.put([event(1), event(2)])
    await first.close()
    (file,) = tmp_path.glob("*/*.events")
    data = file.read_bytes()
    for end in (*range(len(data) // 2, len(data)), len(data) + 4096):
        file.write_bytes(data[:end].ljust(end, b"\0"))
        spool = Spool(tmp_path, max_bytes=10**9)
        assert spool.damaged == 0, end
        assert spool.pending == (1 if end < len(data) else 2)
        await spool.close()


async def test_a_file_that_cannot_be_read_blocks_no_other(tmp_path: Path) -> None:
    first = Spool(tmp_path, max_bytes=10**9)
    await first.put([event(1)])
    await first.close()
    (tmp_path / "0" / "000000000000.events").mkdir()  # the first in line, and no file
    spool = Spool(tmp_path, max_bytes=10**9)
    assert spool.damaged == 1
    assert await drained(spool) == [event(1)]
    await spool.close()


def _put_for_ever(folder: Path, acknowledged: int) -> None:
    async def main() -> None:
        spool, number = Spool(folder, max_bytes=10**9), 0

        async def put(which: int) -> None:
            await spool.put([event(which)])
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
