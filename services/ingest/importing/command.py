"""`firsthour import`: understands the file, asks, imports. Exit codes: 0 all accepted, 1 not all, 2 wrong use."""

import asyncio
import hashlib
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from rich.console import Console

from services.ingest.config.sources import shop_of
from services.ingest.domain.sheets.columns import NotUnderstood
from services.ingest.importing import showing
from services.ingest.importing.foreseeing import Foreseen, Start
from services.ingest.importing.progress import Progress, ProgressFile
from services.ingest.importing.reading import Piece, Unreadable, fingerprint, pieces
from services.ingest.importing.refusals import Refusals, refused_path
from services.ingest.importing.run import Import, Tally
from services.ingest.importing.understanding import Question, Understanding, Wishes, answered, understand
from services.ingest.importing.work import Plan, Worked
from services.ingest.importing.workers import Workers, working
from services.ingest.settings import IngestSettings
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics

if TYPE_CHECKING:
    from concurrent.futures import Future

_SMALL: Final = 1_000_000  # bytes that one process reads before others have started
_MOST_WORKERS: Final = 8
_BATCH_BYTES: Final = 262_144
_LAST: Final = 19  # niceness
_DONE, _NOT_ALL, _WRONG_USE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The options of the command. `workers` None: one per core, but only this process for a small file.

    `follow_up`: also rows without a time. `starts`: what a present row would start, for a dry run.
    """

    file: Path
    source: str
    wishes: Wishes
    restart: bool = False
    dry_run: bool = False
    follow_up: bool = False
    starts: tuple[Start, ...] = ()
    as_json: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask: `answer` asks a question, `agreed` asks whether to begin; None when nobody is there."""

    answer: Callable[[Question], str | None]
    agreed: Callable[[], bool | None]


def import_file(order: Order, asking: Asking | None, settings: IngestSettings) -> int:
    """Import; the exit code. Without `asking`, it begins unless there are questions. Raises FirsthourError."""
    out, err = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
    try:
        found = understand(order.file, order.wishes)
        if not order.as_json:
            showing.show_understanding(out, order.file.name, found, follow_up=order.follow_up)
        if found.questions and asking is not None:
            found = _answered(order, found, asking)
    except (NotUnderstood, Unreadable) as error:
        err.print(f"firsthour import: {error}", markup=False, highlight=False)
        return _WRONG_USE
    if found.questions:
        err.print("firsthour import: this has to be said beforehand where nobody is asked:")
        for each in found.questions:
            err.print(f"  {each.option} {each.example}    {each.text}", markup=False, highlight=False)
        return _WRONG_USE
    if asking is not None and not order.dry_run:
        agreed = asking.agreed()
        if agreed is None:
            err.print("Nobody answers: --yes begins without asking.")
            return _WRONG_USE
        if not agreed:
            err.print("Nothing was imported. Columns are put right with --map email='Its column' or --map=-Column.")
            return _NOT_ALL
    _quiet_logs()
    os.nice(_LAST)  # live leads go first on this machine
    begun = time.monotonic()
    foreseen = Foreseen(order.starts)
    if order.dry_run:
        tally, refused_file = _counted(order, found, err, foreseen), None
    else:
        tally, refused_file = _imported(order, found, settings, err)
    seconds = time.monotonic() - begun
    _tell(out, order, found, tally, foreseen, refused_file=refused_file, seconds=seconds)
    return _NOT_ALL if tally.progress.refused or tally.stopped else _DONE


def _answered(order: Order, found: Understanding, asking: Asking) -> Understanding:
    answers: dict[str, str] = {}
    for question in found.questions:
        said = asking.answer(question)
        if said is None:
            return found
        answers[question.option] = said
    return understand(order.file, answered(order.wishes, answers))


def _counted(order: Order, found: Understanding, err: Console, foreseen: Foreseen) -> Tally:
    """Count what every row would become; nothing is sent or written."""
    tally = Tally(Progress(of="", offset=found.begins, line=found.line))
    plan = Plan(found.sheet, found.shape, f"/sources/{order.source}", b"", follow_up=order.follow_up)
    with working(plan, _processes(order)) as workers, _bar(order, err, tally) as show:
        under_way: deque[tuple[Piece, Future[Worked]]] = deque()
        waiting = pieces(order.file, found.shape, offset=found.begins, line=found.line)
        while True:
            for piece in itertools.islice(waiting, workers.most - len(under_way)):
                under_way.append((piece, workers.begin(piece)))
            if not under_way:
                return tally
            piece, future = under_way.popleft()
            worked = future.result()
            foreseen.add(worked.messages)
            tally.count(piece, worked, 0)
            show(tally)


def _imported(order: Order, found: Understanding, settings: IngestSettings, err: Console) -> tuple[Tally, Path | None]:
    topic = Topics(settings.topic_prefix).events_bulk
    about = (fingerprint(order.file), found.sheet, found.shape, order.source, order.follow_up, settings.kafka, topic)
    of = hashlib.sha256(msgspec.json.encode([repr(each) for each in about])).hexdigest()
    progress_file = ProgressFile(settings.state, order.file)
    with progress_file.held():
        left = None if order.restart else progress_file.read()
        if left is not None and left.of != of:
            err.print("The file or the options are not those of the interrupted import: from the beginning.")
            left = None
        if left is not None:
            err.print(f"Going on at line {left.line:,}: {left.taken:,} rows are there already.", highlight=False)
        tally = Tally(left or Progress(of=of, offset=found.begins, line=found.line))
        names = [column.name for column in found.sheet.columns] if found.shape.delimiter is not None else ["row"]
        refusals = Refusals(
            refused_path(order.file, progress_file.beside, writable=os.access(order.file.parent, os.W_OK)),
            delimiter=found.shape.delimiter or ",",
            names=names,
            size=tally.progress.refused_bytes,
        )
        source, follow_up = f"/sources/{order.source}", order.follow_up
        shop = shop_of(settings.config, order.source)
        plan = Plan(found.sheet, found.shape, source, settings.partition_key_secret(), _trace(), follow_up, shop)
        try:
            with working(plan, _processes(order)) as workers, _bar(order, err, tally) as show:
                asyncio.run(_run(order, found, settings, workers, progress_file, refusals, tally, show))
        finally:
            refusals.close()
        if not tally.stopped:
            progress_file.forget()
    return tally, refusals.path if refusals.size else None


async def _run(
    order: Order,
    found: Understanding,
    settings: IngestSettings,
    workers: Workers,
    progress_file: ProgressFile,
    refusals: Refusals,
    tally: Tally,
    show: Callable[[Tally], None],
) -> None:
    producer = Producer(
        settings.kafka, client_id="firsthour-import", batch_bytes=_BATCH_BYTES, access=settings.kafka_access()
    )
    run = Import(
        kafka=settings.kafka,
        topic=Topics(settings.topic_prefix).events_bulk,
        producer=producer,
        workers=workers,
        progress_file=progress_file,
        refusals=refusals,
        tally=tally,
        show=show,
    )
    await run.run(pieces(order.file, found.shape, offset=tally.progress.offset, line=tally.progress.line))


def _tell(
    out: Console,
    order: Order,
    found: Understanding,
    tally: Tally,
    foreseen: Foreseen,
    *,
    refused_file: Path | None,
    seconds: float,
) -> None:
    done = tally.progress
    if order.as_json:
        told: dict[str, Any] = {
            "file": str(order.file),
            "sent": not order.dry_run,
            "finished": not tally.stopped,
            "taken": done.taken,
            "refused": done.refused,
            "left_out": done.left_out,
            "reasons": dict(tally.reasons),
            "refused_file": None if refused_file is None else str(refused_file),
            "seconds": round(seconds, 2),
            "understood": showing.described(found),
        }
        if order.dry_run:
            told |= {"rows": foreseen.first, "would_start": foreseen.described()}
        out.print(msgspec.json.encode(told).decode(), markup=False, highlight=False)
        return
    if order.dry_run:
        showing.show_rows(out, foreseen.first)
    lines = [showing.summary(tally, sent=not order.dry_run, seconds=seconds), *showing.reasons(tally)]
    if refused_file is not None:
        lines.append(f"The refused rows, each with its reason: {refused_file}")
    if order.dry_run:
        lines += foreseen.lines()
    if tally.stopped:
        lines.append(f"Stopped before line {done.line:,}. The same command goes on from there.")
    for line in lines:
        out.print(line, markup=False, highlight=False)


def _bar(order: Order, err: Console, tally: Tally) -> Any:
    if order.as_json:
        return nullcontext(lambda _tally: None)
    return showing.bar(err, order.file.stat().st_size, tally)


def _processes(order: Order) -> int:
    if order.workers is not None:
        return order.workers
    small = order.file.stat().st_size < (_SMALL // 10 if order.file.suffix == ".gz" else _SMALL)
    return 0 if small else min(_MOST_WORKERS, os.cpu_count() or 1)


def _trace() -> str:
    """One trace for the whole import (W3C Trace Context)."""
    made = os.urandom(24).hex()
    return f"00-{made[:32]}-{made[32:]}-01"


def _quiet_logs() -> None:
    """The bar says what matters; log lines would break it, and the JSON."""
    structlog.configure(wrapper_class=structlog.stdlib.BoundLogger, logger_factory=structlog.stdlib.LoggerFactory())
    logging.getLogger().addHandler(logging.NullHandler())
