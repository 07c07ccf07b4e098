"""`verify` at any moment of any life: silent of what is no fault, and of no change that is one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stonelog.filestore import Store, stamp, verify
from verified import faults

EVENT = {"category": "api", "action": "read"}


@pytest.mark.usefixtures("unsynced")
def test_a_living_store_has_no_fault(directory: Path) -> None:
    """While others append, roll, seal, prune and hold, no look at the store tells a fault."""
    directory.mkdir(mode=0o700)
    (directory / "stonelog.toml").write_text("[store]\nsegment_bytes = 20000\n[retention]\nmax_bytes = 60000\n")
    ended = threading.Event()
    errors: list[BaseException] = []

    def live(work: Callable[[Store], object]) -> None:
        try:
            with Store.open(directory) as store:
                while not ended.is_set():
                    work(store)
        except BaseException as error:
            errors.append(error)

    def tend(store: Store) -> None:
        store.upkeep.seal()
        store.upkeep.retain()
        hold = store.upkeep.hold(date(2020, 1, 1), date(2020, 1, 2), "case")
        store.upkeep.release(hold.id)

    def write(store: Store) -> None:
        store.append_many([{**EVENT, "message": "x" * 200}] * 20)

    threads = [threading.Thread(target=live, args=[work]) for work in (write, write, tend)]
    for thread in threads:
        thread.start()
    try:
        told = [fault for _ in range(40) for fault in verify(directory) if not fault.note]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert (told, errors) == ([], [])


STEPS = st.lists(
    st.sampled_from(["append", "batch", "roll", "seal", "zstd", "retain", "hold", "release", "torn", "open"]),
    max_size=14,
)


def in_order(directory: Path) -> list[Path]:
    """The plain segments in the order of their events."""
    return sorted((directory / "events").glob("*.jsonl"), key=lambda path: path.name.removesuffix(".jsonl"))


def live_through(directory: Path, steps: list[str], look: Callable[[], None]) -> None:
    """A store lives through these steps; after each it is looked at."""
    shutil.rmtree(directory, ignore_errors=True)
    store = Store.open(directory)
    (directory / "stonelog.toml").write_text("")
    try:
        for step in steps:
            if step == "append":
                store.append({**EVENT, "message": "one"})
            elif step == "batch":
                store.append_many([{**EVENT, "message": f"m{each}"} for each in range(5)])
            elif step == "roll":
                store.roll(early=True)
            elif step in {"seal", "zstd"}:
                (directory / "stonelog.toml").write_text(f'[seal]\ncodec = "{step.replace("seal", "gzip")}"\n')
                store.upkeep.seal()
            elif step == "retain":
                (directory / "stonelog.toml").write_text("[retention]\nmax_bytes = 1\n")
                store.upkeep.retain()
            elif step == "hold":
                store.upkeep.hold(datetime.now(UTC).date(), datetime.now(UTC).date(), "case")
            elif step == "release" and store.upkeep.holds():
                store.upkeep.release(store.upkeep.holds()[0].id)
            elif step == "torn":
                store.close()
                newest = in_order(directory)[-1:]
                for path in newest:
                    with path.open("ab") as file:
                        file.write(b'{"seq":99,"id')
                look()
                store = Store.open(directory)
            elif step == "open":
                store.close()
                store = Store.open(directory)
            look()
    finally:
        store.close()


@pytest.mark.usefixtures("unsynced")
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=STEPS)
def test_an_unharmed_store_never_has_a_fault(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """At every step of any life: appends, rolls, seals, removals, holds, torn tails, restarts."""
    directory = tmp_path_factory.getbasetemp() / "life"

    def look() -> None:
        assert faults(directory) == []

    live_through(directory, steps, look)


def acknowledged(data: bytes, changed: bytes) -> bytes:
    """The lines of `data`, the newest segment, that what is left of it shows to have been acknowledged."""
    stamps = [stamp(each) for each in changed.split(b"\n")[:-1]]
    watermark = max((each.synced for each in stamps if each), default=0)
    lines = [each + b"\n" for each in data.split(b"\n")[:-1]]
    good = [each for each in lines if (found := stamp(each[:-1])) and found.seq <= watermark]
    return b"".join(good)


SHARE = st.integers(0, 999_999)  # of a million: what is drawn must not depend on sizes, which differ from run to run
KINDS = ["flip", "delete", "zero", "twice", "cut", "lines", "insert", "remove"]


def mutated(data: bytes, kind: str, first: int, second: int) -> bytes:
    """The bytes with one thing changed."""
    at = first * len(data) // 1_000_000
    end = min(len(data), at + 1 + second * 900 // 1_000_000)
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 + second % 255)]) + data[at + 1 :]
    if kind == "delete":
        return data[:at] + data[end:]
    if kind == "zero":
        return data[:at] + bytes(end - at) + data[end:]
    if kind == "twice":
        return data[:end] + data[at:end] + data[end:]
    if kind == "cut":
        return data[:at]
    if kind == "insert":
        return data[:at] + b"\n" + data[at:]
    lines = data.split(b"\n")
    moved = lines.pop(first * len(lines) // 1_000_000)
    lines.insert(second * (len(lines) + 1) // 1_000_000, moved)
    return b"\n".join(lines)


@pytest.mark.usefixtures("unsynced")
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=STEPS, kind=st.sampled_from(KINDS), which=SHARE, first=SHARE, second=SHARE)
def test_any_change_of_any_file_is_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], kind: str, which: int, first: int, second: int
) -> None:
    """One change anywhere is a fault, unless all that is known to be acknowledged still stands where it stood."""
    directory = tmp_path_factory.getbasetemp() / "changed"
    live_through(directory, ["batch", "append", *steps], lambda: None)
    segments = in_order(directory)
    places = [*(directory / "events").iterdir(), *directory.glob("*.json")]
    places = sorted(path for path in places if path.stat().st_size)
    place = places[which * len(places) // 1_000_000]
    data = place.read_bytes()
    later = [path for path in segments[segments.index(place) + 1 :] if path.stat().st_size] if place in segments else []
    if kind == "remove":
        place.unlink()
        harmless = place.name == "holds.json" or (place in segments and not later)
        changed = b""
    else:
        changed = mutated(data, kind, first, second)
        place.write_bytes(changed)
        harmless = changed == data
        if place in segments:
            kept = acknowledged(data, changed) if place == segments[-1] else data
            harmless = changed.startswith(kept)
            if not later:
                harmless |= data.startswith(changed) and changed[-1:] in (b"", b"\n")  # a clean cut, see F45
    assert faults(directory) or harmless, (place.name, data, changed)
