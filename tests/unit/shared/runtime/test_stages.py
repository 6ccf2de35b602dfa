import asyncio

from shared.runtime.stages import Task, in_stages


def task(name: str, ended: list[str], *, slow: asyncio.Event | None = None) -> Task:
    async def run(stopping: asyncio.Event) -> None:
        await stopping.wait()
        if slow is not None:
            await slow.wait()
        ended.append(name)

    return run


async def test_a_stage_stops_when_every_task_of_those_before_it_has_ended() -> None:
    ended: list[str] = []
    slow, stopping = asyncio.Event(), asyncio.Event()
    stages = [
        {"loop": task("loop", ended, slow=slow), "timers": task("timers", ended)},
        {"facts": task("facts", ended)},
        {"kafka": task("kafka", ended)},
    ]
    running = [asyncio.create_task(run(stopping)) for run in in_stages(stages).values()]

    await asyncio.sleep(0)
    assert ended == []
    stopping.set()
    _done, waiting = await asyncio.wait(running, timeout=0.05)
    assert ended == ["timers"]
    assert len(waiting) == 3
    slow.set()
    await asyncio.wait_for(asyncio.gather(*running), 5)
    assert ended == ["timers", "loop", "facts", "kafka"]


async def test_a_task_that_dies_does_not_keep_the_stages_after_it_from_stopping() -> None:
    ended: list[str] = []

    async def dies(_stopping: asyncio.Event) -> None:
        raise ValueError

    stopping = asyncio.Event()
    running = [
        asyncio.create_task(run(stopping))
        for run in in_stages([{"loop": dies}, {"kafka": task("kafka", ended)}]).values()
    ]
    stopping.set()
    died, nothing = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 5)
    assert isinstance(died, ValueError)
    assert nothing is None
    assert ended == ["kafka"]
