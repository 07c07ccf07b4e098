"""`stonelog demo`: a store from sample logs, some questions, and counts compared with those of the files themselves."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from stonelog.filestore import Quarantine, StonelogError, Store
from stonelog.indexer import Index

from .cli.lines import ShortLines
from .cli.tables import facet_lines, histogram_lines, stats_lines, table
from .doctor import processes_writing
from .ingest import ingest

__all__ = ["SAMPLES", "Shown", "demonstrate"]

SAMPLES: Final = Path(__file__).parent.parent / "data" / "samples"
"""Where a checkout has them; an installed package has none and makes events of its own."""

_MARK: Final = "made-by-stonelog-demo"
_FORMATS: Final = {"access.log": "combined", "access.json": "nginx-json", "app.jsonl": "ndjson", "auth.log": "auth"}
_FOLDERS: Final = ("events", "index", "quarantine")


class Shown(NamedTuple):
    """A line to print; `differs` if it tells of a count that is not what the files say."""

    text: str
    differs: bool = False


class Question(NamedTuple):
    """A query, and what a line must and must not hold to be what it asks for: in the store's files, in the samples."""

    query: str
    holds: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    in_samples: bytes | None = None


QUESTIONS: Final = (
    Question("", in_samples=rb"\S"),
    Question("level:error", (b'"level":"error"',)),
    Question("status_code:404", (b'"status_code":404,',), in_samples=rb'" 404 |"status": ?404\b'),
    Question("category:authentication outcome:failure", (b'"category":"authentication"', b'"outcome":"failure"')),
    Question("username:ada -level:info", (b'"username":"ada"',), (b'"level":"info"',)),
    Question("ip_address:192.0.2.10", (b'"ip_address":"192.0.2.10"',)),
)


def demonstrate(directory: Path, *, width: int, samples: Path = SAMPLES) -> Iterator[Shown]:
    """The lines of the demonstration, as it goes on; at its end the store is in `directory`.

    Raises StonelogError if the directory is not empty and no earlier demonstration made it, or is in use.
    """
    _clear(directory)
    given = [name for name in _FORMATS if (samples / name).is_file()]
    with Store.open(directory) as store:
        (directory / _MARK).touch(0o600)
        yield from _fill(store, directory, samples, given) if given else _invent(store)
    with Index.open(directory) as index:
        index.catch_up()
        yield from _ask(index, directory, width)
        yield from _verify(index, directory, [samples / name for name in given])
    yield Shown("")
    yield Shown("Open the API, and look at it from another terminal:")
    yield Shown(f"  {_command()} serve --dir {directory}")
    yield Shown("  curl 'http://127.0.0.1:8321/v1/events?q=level:error&limit=3'")


def _command() -> str:
    """How this program is called from here: in an environment that is not activated, with its path."""
    beside = Path(sys.executable).with_name("stonelog")
    if shutil.which("stonelog") or not beside.is_file():
        return "stonelog"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


def _clear(directory: Path) -> None:
    """The directory is absent or has nothing of an earlier demonstration in it; anybody else's is left alone."""
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not (directory / _MARK).is_file():
        raise StonelogError(
            f"{directory} is not empty, and no earlier demo made it",
            hint="name another place with --dir; nothing was touched",
        )
    if writing := processes_writing(directory):
        raise StonelogError(f"{directory} is open in {', '.join(writing)}", hint="stop that first")
    for name in _FOLDERS:
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / "lock").unlink(missing_ok=True)


def _fill(store: Store, directory: Path, samples: Path, names: Sequence[str]) -> Iterator[Shown]:
    """The samples, ingested as the command `stonelog ingest` does it."""
    yield Shown("Sample logs, recorded from real programs, go in:")
    year = _year(samples / names[0])
    for name in names:
        mapping = samples / f"{Path(name).stem}.map.toml" if name == "app.jsonl" else None
        form = _FORMATS[name]
        result = ingest(
            store,
            [samples / name],
            format=form,
            mapping=mapping,
            year=year if form == "auth" else None,
            quarantine=Quarantine(directory),
        )
        lines = len(_lines(samples / name))
        option = f" --map {mapping.name}" if mapping else ""
        figures = f"{lines} lines, {result.appended} events, {result.rejected} refused"
        differs = result.read != lines or result.appended + result.rejected != lines
        yield Shown(f"  stonelog ingest --format {form}{option} {name}: {figures}", differs)


def _year(sample: Path) -> int | None:
    """The year in which a sample was recorded: an auth.log does not say."""
    found = re.search(rb"\b(20\d\d)\b", sample.read_bytes())
    return int(found[1]) if found else None


def _invent(store: Store) -> Iterator[Shown]:
    """A day of a small shop, the same at every run but for the times, through the public API."""
    yield Shown("No sample logs are installed here, so a shop's day is made up and appended:")
    receipts = store.append_many(list(_shop_day(datetime.now(UTC))))
    yield Shown(
        f"  store.append_many(...): {len(receipts)} events in one group commit, the last is seq {receipts[-1].seq}"
    )


def _shop_day(end: datetime, events: int = 400) -> Iterator[dict[str, Any]]:
    chance = random.Random(8321)  # noqa: S311 (a demonstration, not a secret)
    moment = end - timedelta(hours=12)
    people = {"ada": "192.0.2.10", "grace": "198.51.100.9", "linus": "203.0.113.7", "edsger": "192.0.2.44"}
    for _ in range(events):
        moment += timedelta(seconds=12 * 3600 / events * chance.uniform(0.2, 1.8) * 0.99)
        username = chance.choice(list(people))
        who = {"time": min(moment, end), "username": username, "ip_address": people[username], "service": "shop"}
        if chance.random() < 0.2:
            failed = chance.random() < 0.4
            yield {
                **who,
                "category": "authentication",
                "action": "login_failed" if failed else "login",
                "level": "warning" if failed else "info",
                "outcome": "failure" if failed else "success",
                "message": f"{'failed login' if failed else 'login'} of {username}",
            }
            continue
        status = chance.choices([200, 201, 304, 404, 500], [70, 10, 8, 8, 4])[0]
        level = "error" if status >= 500 else "warning" if status >= 400 else "info"
        yield {
            **who,
            "category": "api",
            "action": "api_call",
            "level": level,
            "outcome": "success" if status < 400 else "failure",
            "method": "POST" if status == 201 else "GET",
            "path": chance.choice(["/", "/v1/orders", "/v1/products", "/v1/products/7", "/login"]),
            "status_code": status,
            "response_time_ms": round(chance.lognormvariate(2.5, 0.8), 3),
            "metadata": {"order": chance.randint(1000, 1050)},
        }


def _ask(index: Index, directory: Path, width: int) -> Iterator[Shown]:
    """A search, a facet table, a histogram and a summary, each under the command that prints it."""
    option = f"--dir {directory}"
    yield from _under(f"stonelog search 'level:>=warning' -n 8 {option}")
    page = index.search("level:>=warning", limit=8)
    yield from map(Shown, ShortLines().lines([json.loads(line) for line in page.lines]))
    yield from _under(f"stonelog facets category username status_code -n 5 {option}")
    yield from map(Shown, facet_lines(index.facets("", ["category", "username", "status_code"], limit=5)))
    yield from _under(f"stonelog histogram --step 1h --by level {option}")
    yield from map(Shown, histogram_lines(index.histogram("", step="1h", by="level"), width))
    yield from _under(f"stonelog stats {option}")
    yield from map(Shown, stats_lines(index.stats("")))


def _under(command: str) -> Iterator[Shown]:
    yield Shown("")
    yield Shown(f"$ {command}")


def _verify(index: Index, directory: Path, samples: Sequence[Path]) -> Iterator[Shown]:
    """Each question asked of the index, and counted in the files, and in the samples, by looking for text."""
    stored = [line for file in sorted((directory / "events").iterdir()) for line in _lines(file)]
    given = [line for file in samples for line in _lines(file)]
    rows: list[tuple[str, int, int, str, str]] = []
    for question in QUESTIONS:
        asked = index.count(question.query)
        counts = [sum(_answers(line, question) for line in stored)]
        if given and question.in_samples is not None:
            counts.append(sum(re.search(question.in_samples, line) is not None for line in given))
        verdict = "right" if counts == [asked] * len(counts) else "DIFFERS"
        rows.append((question.query or "(all)", asked, counts[0], f"{counts[1]:,}" if counts[1:] else "-", verdict))
    yield Shown("")
    yield Shown("Counts, asked of the index, and found in the files by looking for text as grep does:")
    heads, *lines = table(("query", "index", "files", "samples", ""), rows)
    yield Shown(f"  {heads}")
    for line, row in zip(lines, rows, strict=True):
        yield Shown(f"  {line}", differs=row[-1] != "right")


def _lines(file: Path) -> list[bytes]:
    """The lines of a file that are not blank."""
    return [line for line in file.read_bytes().split(b"\n") if line.strip()]


def _answers(line: bytes, question: Question) -> bool:
    return all(text in line for text in question.holds) and not any(text in line for text in question.lacks)
