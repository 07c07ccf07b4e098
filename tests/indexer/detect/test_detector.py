"""The detector's thread: it follows the store, writes findings once, and goes on after a restart."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from answers import wait_until
from stonelog.filestore import Store, StoreReadOnly
from stonelog.indexer.detect import Detector, DetectSettings, read_state, state_file
from stonelog.indexer.detect import detector as module

RULE = '[[rule]]\nid = "r"\ntitle = "R"\nform = "count"\nquery = "action:delete"\nby = ["username"]\nat_least = 3\n'
DELETION = {"category": "data_management", "action": "delete", "username": "ada"}
Make = Callable[..., Detector]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.toml").write_text(RULE)
    return tmp_path


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    with Store.open(directory, durability="none") as store:
        yield store


@pytest.fixture
def make(store: Store) -> Iterator[Make]:
    """Detectors with the one rule, stopped at the end."""
    made: list[Detector] = []

    def make(**settings: object) -> Detector:
        made.append(Detector(store, settings=DetectSettings(defaults=False, **settings), poll_seconds=0.02))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def findings(store: Store) -> list[list[int]]:
    return [event.metadata["seqs"] for event in store.read() if event.action == "finding"]


def caught_up(detector: Detector, store: Store) -> Callable[[], bool]:
    return lambda: detector.status().seen_seq >= store.last_seq


def test_it_finds_what_comes(store, make):
    """Three deletions are found, and the finding, which is the store's newest event, is seen and not looked at."""
    detector = make()
    detector.start()
    wait_until(lambda: detector.status().leading)
    store.append_many([DELETION] * 3)
    wait_until(lambda: findings(store) == [[1, 2, 3]])
    wait_until(caught_up(detector, store))
    assert store.last_seq == 4
    assert (detector.status().findings, detector.status().error) == (1, "")


def test_it_begins_with_the_next_event_or_with_the_oldest(store, make):
    """Where there is no state, `replay` decides."""
    store.append_many([DELETION] * 3)
    detector = make()
    detector.start()
    wait_until(caught_up(detector, store))
    detector.stop()
    assert findings(store) == []
    state_file(store.directory).unlink(missing_ok=True)
    detector = make(replay=True)
    detector.start()
    wait_until(lambda: findings(store) == [[1, 2, 3]])


def test_it_goes_on_after_a_restart(store, make):
    """Two deletions before a stop and one after are three."""
    detector = make(replay=True)
    store.append_many([DELETION] * 2)
    detector.start()
    wait_until(caught_up(detector, store))
    detector.stop()
    assert read_state(store.directory).seq == 2
    store.append(DELETION)
    make().start()
    wait_until(lambda: findings(store) == [[1, 2, 3]])


def test_what_was_written_before_a_crash_is_not_written_again(store, make, monkeypatch):
    """The state is from before the finding: the same events are seen again, and it is known that they were found."""
    monkeypatch.setattr(module, "write_state", lambda *_: None)
    store.append_many([DELETION] * 3)
    detector = make(replay=True)
    detector.start()
    wait_until(lambda: findings(store) == [[1, 2, 3]])
    detector.stop()
    store.append_many([{**DELETION, "username": "bob"}] * 3)
    detector = make(replay=True)
    detector.start()
    wait_until(lambda: findings(store) == [[1, 2, 3], [5, 6, 7]])
    wait_until(caught_up(detector, store))
    assert len(findings(store)) == 2


def test_one_of_several_looks(store, make):
    """A second one waits, and takes over when the first stops."""
    one, two = make(replay=True), make(replay=True)
    one.start()
    wait_until(lambda: one.status().leading)
    two.start()
    store.append_many([DELETION] * 3)
    wait_until(lambda: findings(store) == [[1, 2, 3]])
    assert not two.status().leading
    one.stop()
    wait_until(lambda: two.status().leading)
    store.append_many([{**DELETION, "username": "bob"}] * 3)
    wait_until(lambda: findings(store) == [[1, 2, 3], [5, 6, 7]])


def test_findings_wait_while_the_store_takes_none(store, make, monkeypatch, caplog):
    """An error is logged once, the thread lives, and what was found is written later."""
    real = module._append

    def refuse(*_: object) -> None:
        raise StoreReadOnly("no")

    monkeypatch.setattr(module, "_append", refuse)
    detector = make(replay=True)
    with caplog.at_level(logging.WARNING, "stonelog"):
        detector.start()
        store.append_many([DELETION] * 3)
        wait_until(lambda: detector.status().error != "")
        store.append(DELETION)
        wait_until(lambda: detector.status().seen_seq >= 3)
    assert detector.status().alive
    assert len([record for record in caplog.records if "does not go on" in record.message]) == 1
    monkeypatch.setattr(module, "_append", real)
    wait_until(lambda: findings(store) == [[1, 2, 3]])
    wait_until(lambda: detector.status().error == "")


def test_a_damaged_state_costs_the_memory_only(store, make, caplog):
    """It is told, and looking goes on with the next event."""
    state_file(store.directory).write_bytes(b"garbage")
    store.append_many([DELETION] * 2)
    detector = make()
    detector.start()
    wait_until(lambda: detector.status().leading)
    store.append_many([DELETION] * 3)
    wait_until(lambda: findings(store) == [[3, 4, 5]])
    assert any("cannot be read" in record.message for record in caplog.records)


def test_the_state_is_saved_now_and_then(store, make):
    """Every `save_seconds`, not only at the end."""
    detector = make(replay=True, save_seconds=0.01)
    detector.start()
    store.append(DELETION)
    wait_until(lambda: state_file(store.directory).exists())


def test_limits_of_the_settings_reach_the_rules(store, make):
    """With one key in mind at most, two users who take turns are never known long enough; late events do not count."""
    turns = [{**DELETION, "username": name} for name in ("ada", "bob") * 4]
    store.append_many(turns)
    detector = make(replay=True, max_keys=1)
    detector.start()
    wait_until(caught_up(detector, store))
    detector.stop()
    assert findings(store) == []
    times = ("2026-01-01T00:04:00Z", "2026-01-01T00:03:00Z", "2026-01-01T00:01:00Z")
    store.append_many([{**DELETION, "username": "eve", "time": time} for time in times])
    detector = make(late="1s")
    detector.start()
    wait_until(caught_up(detector, store))
    assert findings(store) == []


def test_what_a_power_cut_may_take_is_not_said_to_be_seen(store, make, monkeypatch):
    """The state goes no further than what is on stable storage: the cut's numbers come again, with other events."""
    detector = make(replay=True)
    monkeypatch.setattr(type(detector._reader), "durable_seq", lambda reader: 1)
    store.append_many([DELETION] * 2)
    detector.start()
    wait_until(caught_up(detector, store))
    detector.stop()
    assert read_state(store.directory) is None


def test_a_finding_whose_writing_failed_late_is_not_written_again(store, make, monkeypatch):
    """The store said that it failed, and yet the finding is there: that is seen before it is tried again."""
    append = module._append
    failed: list[int] = []

    def late(*given):
        append(*given)
        if not failed:
            failed.append(1)
            raise StoreReadOnly("the sync failed")

    monkeypatch.setattr(module, "_append", late)
    detector = make(replay=True)
    store.append_many([DELETION] * 3)
    detector.start()
    wait_until(lambda: bool(failed) and detector.status().error == "" and detector.status().seen_seq >= 4)
    detector.stop()
    assert findings(store) == [[1, 2, 3]]
