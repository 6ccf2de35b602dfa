"""Worker processes: they read pieces while this process sends the messages of earlier ones."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import NamedTuple

from services.ingest.importing.reading import Piece
from services.ingest.importing.work import Plan, Worked, Worker
from shared.errors import FirsthourError

_worker: Worker | None = None  # of this worker process


class WorkerKilled(FirsthourError):  # noqa: N818 - reads as what happened
    """A worker process ended before its work did."""


class Workers(NamedTuple):
    """Works on pieces in parallel; `most` at once keep every worker busy."""

    executor: Executor
    most: int

    def begin(self, piece: Piece) -> "Future[Worked]":
        """The piece, as soon as somebody is free."""
        return self.executor.submit(_work, piece)


@contextmanager
def working(plan: Plan, processes: int) -> Iterator[Workers]:
    """Start so many processes; 0: a thread of this one, which starts at once, for small files. Raises WorkerKilled."""
    if processes == 0:
        with ThreadPoolExecutor(1, initializer=_begin, initargs=(plan,)) as thread:
            yield Workers(thread, 2)
        return
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin_process, initargs=(plan,))
    try:
        yield Workers(pool, 2 * processes)
    except BrokenProcessPool:
        raise WorkerKilled(
            "a worker process was killed, perhaps for want of memory; repeat the command, with --workers 1 if need be"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(plan: Plan) -> None:
    global _worker  # noqa: PLW0603 - how a process pool hands its workers what they keep
    _worker = Worker(plan)


def _begin_process(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _begin(plan)
    gc.freeze()


def _end_with_parent() -> None:
    """End with the parent: a killed one cannot say so, and its workers would wait forever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(piece: Piece) -> Worked:
    assert _worker is not None
    return _worker.work(piece)
