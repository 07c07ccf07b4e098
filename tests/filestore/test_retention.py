"""Retention: which sealed segments are to go, and their removal."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealed import by_ten, events, names, seal, seqs, told
from segments import lay, line
from stonelog.filestore import DiskFull, RetentionSettings, Store, StoreReadOnly, files
from stonelog.filestore.holds import Hold
from stonelog.filestore.layout import Layout, Listing
from stonelog.filestore.manifest import read_manifest, write_manifest
from stonelog.filestore.retention import plan_removals

TODAY = date(2026, 11, 26)


def hold(first: int, last: int) -> Hold:
    return Hold("H1", date(2026, 11, first), date(2026, 11, last), "case", "")


def plan(
    directory: Path, *holds: Hold, used: int = 10**9, free: int = 10**9, today: date = TODAY, **given: object
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Days and reasons of what goes and of what is kept."""
    wanted = RetentionSettings.model_validate(given)
    segments = list(Listing(os.listdir(directory / "events")))
    removals, kept = plan_removals(Layout(directory), segments, wanted, holds, today, used, free)
    return (
        [(each.segment.removeprefix("2026-11-"), each.reason) for each in removals],
        [(each.segment.removeprefix("2026-11-"), each.reason) for each in kept],
    )


@pytest.fixture
def days(directory: Path) -> Path:
    """Six days of ten events, all but the last sealed; today is the day after."""
    by_ten(directory, 6)
    seal(directory, 20, 21, 22, 23, 24)
    return directory


SIZE = 8192  # an archive and a manifest of one block each


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({}, []),
        ({"max_age_days": 100}, []),
        ({"max_age_days": 6}, []),
        ({"max_age_days": 5.9}, [("20", "age")]),
        ({"max_age_days": 4}, [("20", "age"), ("21", "age")]),
        ({"max_age_days": 0.1}, [(str(day), "age") for day in range(20, 25)]),
        ({"max_bytes": 5 * SIZE, "used": 5 * SIZE}, []),
        ({"max_bytes": 5 * SIZE, "used": 5 * SIZE + 1}, [("20", "bytes")]),
        ({"max_bytes": 1, "used": 6 * SIZE}, [(str(day), "bytes") for day in range(20, 25)]),
        ({"keep_free_bytes": 100, "free": 100}, []),
        ({"keep_free_bytes": 100, "free": 99}, [("20", "free")]),
        ({"keep_free_bytes": 2 * SIZE + 1, "free": 0}, [("20", "free"), ("21", "free"), ("22", "free")]),
        ({"max_age_days": 5, "max_bytes": SIZE, "used": 2 * SIZE + 1}, [("20", "age"), ("21", "bytes")]),
    ],
)
def test_what_goes(days: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, float], gone: list[object]) -> None:
    """By age, by all bytes, by free bytes: the oldest first, only as many as it takes, and never the newest."""
    monkeypatch.setattr(files, "allocated", lambda path: SIZE // 2)
    assert plan(days, **given) == (gone, [])


def test_what_stays(days: Path) -> None:
    """On hold, not sealed, without a usable manifest, with a category that is kept longer; the others go past it."""
    events(days, 21, ".manifest.json").write_bytes(b"damaged")
    events(days, 23, ".jsonl").write_bytes(b"plain beside it")
    found = plan(days, hold(20, 20), max_age_days=1)
    assert found == (
        [("22", "age"), ("24", "age")],
        [("20", "on hold H1"), ("21", "without a usable manifest"), ("23", "not sealed")],
    )


@pytest.mark.parametrize(
    ("minimum", "gone"), [(1, ["20", "21", "22"]), (4, ["20", "21"]), (5, ["20"]), (6, []), (99, [])]
)
def test_a_category_is_kept_longer(days: Path, minimum: float, gone: list[str]) -> None:
    """A segment with one event of it stays so many days, whatever the other settings say; others do not."""
    layout = Layout(days)
    for name in ("20", "21", "22"):
        path = events(days, int(name), ".manifest.json")
        manifest = read_manifest(path)
        assert manifest is not None
        write_manifest(path, replace(manifest, categories={"api": 9, "security": 1}))
    removed, kept = plan(layout.directory, max_bytes=1, min_age_days={"security": minimum, "workflow": 999})
    assert [name for name, _ in removed] == [*gone, "23", "24"]
    assert {name for name, _ in kept} == {"20", "21", "22"} - set(gone)
    assert all(reason == "has events of security that are kept longer" for _, reason in kept)


def test_F48_a_day_in_the_future_can_go(days: Path) -> None:
    """The clock was ahead and came back: what was written then is not kept for ever."""
    assert [name for name, _ in plan(days, max_bytes=1, today=date(2026, 11, 1))[0]] == ["20", "21", "22", "23", "24"]
    assert plan(days, max_age_days=1, today=date(2026, 11, 1)) == ([], [])


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "max_age_days": st.integers(0, 8),
        "max_bytes": st.integers(0, 60_000),
        "keep_free_bytes": st.integers(0, 60_000),
        "min_age_days": st.dictionaries(st.sampled_from(["api", "security"]), st.integers(0, 8)),
    },
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days, of which the 22nd, the 25th and the last are plain."""
    directory = by_ten(tmp_path_factory.mktemp("mixed") / "data", 8)
    seal(directory, 20, 21, 23, 24, 26)
    return directory


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    SETTINGS, st.lists(st.tuples(st.integers(19, 28), st.integers(0, 3))), st.integers(0, 10**5), st.integers(0, 10**5)
)
def test_whatever_is_asked_what_must_stay_stays(
    mixed: Path, wanted: dict[str, object], holds: list[tuple[int, int]], used: int, free: int
) -> None:
    """Never a held day, a plain one, or the newest; each day is named once at most, the oldest first."""
    held = [hold(first, min(first + more, 30)) for first, more in holds]
    removed, kept = plan(mixed, *held, used=used, free=free, **wanted)
    gone = [int(name) for name, _ in removed]
    assert gone == sorted(set(gone))
    assert not set(gone) & {22, 25, 27}
    assert not {day for day in gone if any(each.covers(date(2026, 11, day), date(2026, 11, day)) for each in held)}
    assert not set(gone) & {int(name) for name, _ in kept}
    if not any(wanted.get(name) for name in ("max_age_days", "max_bytes", "keep_free_bytes")):
        assert removed == kept == []


def test_a_removal_is_recorded_told_and_done(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run names what would go and changes nothing; then it is gone, recorded, told by an event, and no reader
    takes it for lost; a second run has nothing to do."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "2")
    by_ten(directory, 5)
    with freeze_time("2026-11-24T12:00Z"), Store.open(directory) as store:
        store.upkeep.hold(date(2026, 11, 20), date(2026, 11, 20), "case")
        store.upkeep.seal()
        before = names(directory)
        dry = store.upkeep.plan()
        assert names(directory) == before
        done = store.upkeep.retain()
        assert dry.dry_run
        assert not done.dry_run
        assert (dry.removed, dry.kept) == (done.removed, done.kept)
        assert [(each.segment, each.events, each.first_seq, each.last_seq) for each in done.removed] == [
            ("2026-11-21", 10, 11, 20)
        ]
        assert done.stored_bytes == done.removed[0].stored_bytes > 0
        assert names(directory) == [name for name in before if not name.startswith("21")]
        assert told(directory) == []
        assert seqs(directory)[:40] == [*range(1, 11), *range(21, 51)]
        (act,) = [event for event in store.read() if event.action == "store_pruned"]
        assert (act.level, (act.metadata or {})["segments"][0]["segment"]) == ("notice", "2026-11-21")
        assert store.upkeep.retain().removed == []
    with freeze_time("2026-11-24T12:00Z"), Store.open(directory) as store:
        assert not store.recovered.faults


def test_a_day_put_back_from_a_copy_stays(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was removed once is not removed again because of the record: only what the settings say goes."""
    by_ten(directory, 3)
    seal(directory, 20, 21)
    copies = {suffix: events(directory, 20, suffix).read_bytes() for suffix in (".jsonl.gz", ".manifest.json")}
    with freeze_time("2026-11-24T12:00Z"), Store.open(directory) as store:
        with monkeypatch.context() as patch:
            patch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "3")
            assert len(store.upkeep.retain().removed) == 1
        for suffix, data in copies.items():
            events(directory, 20, suffix).write_bytes(data)
    with Store.open(directory) as store:
        store.upkeep.retain()
        assert seqs(directory)[:30] == list(range(1, 31))


@pytest.mark.parametrize("call", ["create", "write_all", "fsync", "rename", "fsync_directory", "remove"])
def test_F36_a_step_that_fails_is_made_up_for_later(
    directory: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever call fails, no event is missing without a record; the next retention ends it."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "2")
    with freeze_time("2026-11-24T12:00Z"):
        for turn in range(8):
            for old in ("pruned.json", "lock"):
                (directory / old).unlink(missing_ok=True)
            by_ten(directory, 4)
            seal(directory, 20, 21)
            with Store.open(directory) as store:
                left = [turn]
                real = getattr(files, call)

                def failing(*given: object, left: list[int] = left, real: object = real) -> object:
                    left[0] -= 1
                    if left[0] == -1:
                        raise OSError(5, "Input/output error")
                    return real(*given)  # type: ignore[operator]

                with monkeypatch.context() as patch:
                    patch.setattr(files, call, failing)
                    with contextlib.suppress(StoreReadOnly, DiskFull):
                        store.upkeep.retain()
                assert told(directory) == []
                assert set(range(21, 41)) <= set(seqs(directory))
            with Store.open(directory) as store:
                store.upkeep.retain()
                assert not store.recovered.faults
            assert names(directory)[0] == "22.jsonl"
            assert told(directory) == []


def test_thousands_of_segments_are_sealed_and_removed(
    directory: Path, unsynced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events that tell of it are as many as it takes, none too large."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "1")
    lay(directory)
    first = date(2020, 1, 1)
    for seq in range(1, 1001):
        (directory / "events" / f"{first + timedelta(days=seq)}.jsonl").write_bytes(line(seq, seq - 1))
    with Store.open(directory) as store:
        assert len(store.upkeep.seal()) == 999
        assert len(store.upkeep.retain().removed) >= 999
        listed = [
            each["segment"]
            for event in store.read()
            if event.action == "store_pruned"
            for each in (event.metadata or {})["segments"]
        ]
    assert len(listed) == len(set(listed)) >= 999
