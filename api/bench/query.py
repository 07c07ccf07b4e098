"""`stonelog bench query`: how long answers take, warm and cold, while events are appended, and from sealed days."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from stonelog.filestore import StonelogError
from stonelog.indexer import Index

from . import columns, rows
from .children import Answer, Children
from .days import event_lines, link_days, seal_days, written_days
from .figure import Figure, Target, percentile
from .load import appending, probe
from .opening import EVENTS_OF_A_DAY, build_store
from .questions import LIMIT, QUESTIONS, SEARCHES, Ask, Asked, ask_index, check, true_answers
from .rounds import Notice, alternate, quiet

__all__ = ["PEERS", "RUNS", "measure_query"]

PEERS: Final = (rows.NAME, columns.NAME)
"""Who is asked the same questions."""

RUNS: Final = 20
"""How often each question is asked: the p95 of fewer is the slowest of them."""
_FEW: Final = 5
_SLOW: Final = 0.5
"""Seconds: what takes longer is asked _FEW times."""

_DAYS: Final = 1_000
"""Sealed days of the store whose first answer is timed; of a run of less than a million events, fewer."""
_DIFFERENT: Final = 2_000
"""More of their events than these are the same ones again."""

_RATE: Final = 5_000
"""Events a second that are appended while questions are asked."""
_PROBES: Final = 10_000
"""Acknowledged events that are asked for; of a run of less than a million events, the hundredth part."""
_PROBES_SHARE: Final = 100

_FIRST_ANSWER: Final = 0.35
"""Seconds that a command may take from its start to its end (p95)."""
_SEALED_ANSWER: Final = 0.025
"""Seconds that a search of sealed days may take (p95)."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Where the stores and files of a run are; what is asked, and what is true."""

    events: int
    place: Path
    asked: Asked
    answers: Mapping[str, object]
    tell: Notice
    idle: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each question to the index while nothing else was done."""

    @property
    def plain(self) -> Path:
        """The store of plain days, with its index."""
        return self.place / "plain"

    @property
    def sealed(self) -> Path:
        """The store whose days are sealed, with the same index."""
        return self.place / "sealed"

    @property
    def peers(self) -> Path:
        """Where the peers have their files."""
        return self.place / "peers"


def measure_query(place: Path, events: int, *, keep: Path | None = None, tell: Notice = quiet) -> Iterator[Figure]:
    """The figures, as they become known; `place` is an empty directory, and is left empty.

    Every answer is compared with what a loop over the files says, before it is timed. With `keep` the store of the
    workload stays there, and is taken from there the next time. Raises StonelogError that names the question and who
    answered wrongly, OSError.
    """
    with written_days(place, events, keep=keep, tell=tell) as store, TemporaryDirectory(dir=place) as directory:
        tell("reading the files", 1, 1)
        asked = Asked.of(store, events)
        run = _Run(events, Path(directory), asked, true_answers(store, asked), tell)
        for each in (run.plain, run.sealed, run.peers):
            each.mkdir()
        link_days(store, run.plain)
        _fill(store, run.plain, run.peers, tell)
        link_days(store, run.sealed)
        shutil.copytree(run.plain / "index", run.sealed / "index")
        for measure in (_warm, _cold, _days, _while_appending, _sealed):
            yield from measure(run)


def _fill(store: Path, plain: Path, peers: Path, tell: Notice) -> None:
    """The index and its peers are there, each made in a process of its own, whose memory is given back."""
    fills = [(_fill_index, plain, plain), (rows.build_rows, store, peers)]
    if columns.has_columns():
        fills.append((columns.fill_columns, store, peers))
    for number, fill in enumerate(fills, 1):
        tell("filling the index and its peers", number, len(fills))
        Children[None]().ask(_in_the_child, [fill])


def _in_the_child(fill: Callable[[Path, Path], None], store: Path, directory: Path, answer: Answer) -> None:
    fill(store, directory)
    answer.send(None)


def _fill_index(store: Path, directory: Path) -> None:
    with Index(directory) as index:
        index.catch_up()


def _timed(call: Callable[[], Any], slow: float = _SLOW) -> list[float]:
    """Seconds of each run, after one that does not count; if that one was `slow` (seconds), they are few."""
    before = time.perf_counter()
    call()
    seconds: list[float] = []
    for _ in range(RUNS if time.perf_counter() - before < slow else _FEW):
        before = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - before)
    return seconds


def _figure(
    name: str, ours: Sequence[float], against: str, reference: Sequence[float], target: Target | None, note: str = ""
) -> Figure:
    """The p95 of ours against that of a reference."""
    few = f"{len(ours)} runs, the slowest of them" if len(ours) < RUNS else ""
    notes = "; ".join(filter(None, (few, note)))
    return Figure.of(
        f"{name}, p95", "s", [percentile(ours, 0.95)], against, [percentile(reference, 0.95)], target, notes
    )


def _beside_its_p50(name: str, seconds: Sequence[float], limit: float, note: str = "") -> Figure:
    """The p95, which must be at most `limit` seconds, beside the p50."""
    return _figure(name, seconds, "its p50", [percentile(seconds, 0.5)], Target("most", limit, of="ours"), note)


def _warm(run: _Run) -> Iterator[Figure]:
    """The ten questions, in this process, to the index and to each peer."""
    with ExitStack() as opened:
        ours = ask_index(opened.enter_context(Index(run.plain)), run.asked)
        peers = {rows.NAME: opened.enter_context(rows.asked_rows(run.peers, run.asked, run.events))}
        if columns.has_columns():
            peers[columns.NAME] = opened.enter_context(columns.asked_columns(run.peers, run.asked))
        stated: dict[str, float] = {}
        for who, asks in {"the index": ours, **peers}.items():
            run.tell(f"comparing the answers of {who}", 1, 1)
            stated |= check(who, asks, run.answers)
        note = "" if columns.has_columns() else columns.ABSENT
        for number, (name, limit) in enumerate(QUESTIONS, 1):
            run.tell("asking", number, len(QUESTIONS))
            seconds = run.idle[name] = _timed(ours[name].call)
            near = (
                f"the index says that its answer is within {stated[name]:.2%}; theirs are exact"
                if name in stated
                else ""
            )
            yield _beside_its_p50(name, seconds, limit, "; ".join(filter(None, (near, note))))
            note = ""
            for who, asks in peers.items():
                yield _figure(name, seconds, who, _timed(asks[name].call), Target("most", 1))


def _cold(run: _Run) -> Iterator[Figure]:
    """The first answer of a new Index, and of a command in a new process."""
    first = QUESTIONS[0].name

    def once() -> None:
        with Index(run.plain) as index:
            ask_index(index, run.asked)[first].call()

    run.tell("opening", 1, 2)
    yield _figure("first answer of a new Index", _timed(once), f"{first}, warm", run.idle[first], None)
    run.tell("opening", 2, 2)
    query = f"category:{run.asked.category} level:{run.asked.level}"
    arguments = ["-m", "stonelog.api.cli", "--dir", str(run.plain), "search", query]
    starting = (partial(_run_python, each, run.place / "bytecode") for each in (arguments, ["-c", "pass"]))
    command, bare = (_timed(start, math.inf) for start in starting)
    limit = Target("most", _FIRST_ANSWER, of="ours")
    yield _figure("first answer of the command", command, "an interpreter that starts", bare, limit)


def _days(run: _Run) -> Iterator[Figure]:
    """The first answers of a new Index of many small days, and of one day with the same events, in turns."""
    days = max(2, min(_DAYS, run.events // _DAYS))
    lines = list(islice(event_lines(run.plain), _DIFFERENT))
    size = sum(len(lines[place % len(lines)]) for place in range(days * EVENTS_OF_A_DAY))
    query = f"category:{run.asked.category} level:{run.asked.level}"
    with TemporaryDirectory(dir=run.place) as within:
        one, many = Path(within, "one"), Path(within, "many")
        for number, (directory, old, active) in enumerate(((one, 0, size), (many, days, 1)), 1):
            run.tell(f"making a store of {old + 1:,} days", number, 2)
            build_store(directory, lines, days=old, active_bytes=active)
            _fill_index(directory, directory)

        def seconds(directory: Path, ask: Callable[[Index], object]) -> float:
            before = time.perf_counter()
            with Index(directory) as index:
                ask(index)
            return time.perf_counter() - before

        asked: dict[str, Callable[[Index], object]] = {
            "first count": lambda index: index.count(query),
            "first answer": lambda index: index.search(query, limit=LIMIT),
        }
        for what, ask in asked.items():
            contestants = {
                "one": lambda _, ask=ask: seconds(one, ask),
                "many": lambda _, ask=ask: seconds(many, ask),
            }
            name = f"{what} of {days:,} sealed days"
            found = alternate(contestants, run.place, rounds=RUNS, name=name, tell=run.tell)
            yield Figure.of(name, "s", found["many"], "of one day", found["one"])


def _run_python(arguments: Sequence[str], bytecode: Path) -> None:
    """The program ran to its end; modules are compiled once, as where they are installed, whoever runs the benchmark.

    Raises StonelogError if it failed; nothing found (1) is no failure.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(  # noqa: S603 (this interpreter, with arguments of this module)
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if ended.returncode not in (0, 1):
        raise StonelogError(f"{' '.join(arguments)}: {ended.stderr.decode(errors='replace').strip()}")


def _while_appending(run: _Run) -> Iterator[Figure]:
    """The same questions, and events asked for as soon as they are acknowledged, while another process appends.

    Questions that are slow when idle are left out: so much would be appended during them that they are others.
    """
    number = max(1, min(_PROBES, run.events // _PROBES_SHARE))
    quick = [name for name, seconds in run.idle.items() if len(seconds) == RUNS]
    note = ", ".join(name for name in run.idle if name not in quick)
    note = note and f"slow when idle, and not asked meanwhile: {note}"
    with Index(run.plain) as index:
        asks = ask_index(index, run.asked)
        busy: dict[str, list[float]] = {}
        with appending(run.plain, _RATE) as appended:
            for place, name in enumerate(quick, 1):
                run.tell("asking while events are appended", place, len(quick))
                busy[name] = _timed(asks[name].call)
            run.tell(f"asking for {number:,} events as they are appended", 1, 1)
            probes = probe(run.plain, index, number)
        rate = appended.result()[0].rate
    for name, seconds in busy.items():
        yield _figure(f"{name}, appending", seconds, "idle", run.idle[name], Target("most", 2))
    yield Figure.of("appended meanwhile", "events/s", [rate], "wanted", [_RATE], note=note)
    missed = Target("most", 0, of="ours")
    yield Figure.of("acknowledged, not found", "events", [probes.missed], "asked for", [probes.number], missed)
    yield _figure("asked for at once", probes.seconds, "its p50", [percentile(probes.seconds, 0.5)], None)


def _sealed(run: _Run) -> Iterator[Figure]:
    """The searches, of the same days sealed."""
    run.tell("sealing", 1, 1)
    seal_days(run.sealed)
    with Index(run.sealed) as index:
        index.catch_up()  # with the store's own event that tells of the sealing
        everything = ask_index(index, run.asked)
        asks: dict[str, Ask] = {name: everything[name] for name, _ in SEARCHES}
        check("the index of sealed days", asks, run.answers)
        for number, (name, ask) in enumerate(asks.items(), 1):
            run.tell("asking of sealed days", number, len(asks))
            yield _beside_its_p50(f"{name}, sealed", _timed(ask.call), _SEALED_ANSWER)

    def unpacked() -> None:
        with Index(run.sealed) as index:
            ask_index(index, run.asked)[scattered].call()

    scattered = SEARCHES[1].name
    run.tell("asking of sealed days that nobody has unpacked", 1, 1)
    note = "the frames are unpacked: the others find them, or the lines, where the question before left them"
    yield _figure(f"{scattered}, sealed, a new Index", _timed(unpacked), "warm", run.idle[scattered], None, note)
