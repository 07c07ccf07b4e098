"""Rules over the events that are there."""

from datetime import UTC, datetime, timedelta

import pytest

from answers import write_lines
from stonelog.filestore import Store
from stonelog.indexer.detect import look_back, read_rules, shipped_rules

RULES = read_rules(
    '[[rule]]\nid = "r"\ntitle = "R"\nform = "count"\nquery = "action:delete"\nby = ["username"]\nat_least = 3\n', "t"
)
NOW = datetime.now(UTC)


def deletion(days_ago, name="ada"):
    return {"category": "data_management", "action": "delete", "username": name, "time": NOW - timedelta(days=days_ago)}


@pytest.fixture
def directory(tmp_path):
    """A store with three deletions a day, forty days ago and now."""
    with Store.open(tmp_path, durability="none") as store:
        store.append_many([deletion(days) for days in (40, 40, 40, 0, 0, 0)])
    return tmp_path


def test_everything_is_looked_at_without_since(directory):
    """Both bursts are found, in their order."""
    assert [found.seqs for found in look_back(directory, RULES)] == [(1, 2, 3), (4, 5, 6)]


def test_since_leaves_out_what_happened_before(directory):
    """By the time of the events, not of the file."""
    assert [found.seqs for found in look_back(directory, RULES, since="30d")] == [(4, 5, 6)]
    assert list(look_back(directory, RULES, since=NOW + timedelta(minutes=1))) == []


def test_days_before_since_are_not_read(tmp_path):
    """Segments of earlier days are passed, which is no gap in the log."""
    one = {"time": "2026-11-20T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    write_lines(tmp_path, [one] * 5, day="2026-11-20")
    write_lines(tmp_path, [{**one, "time": "2026-11-23T00:00:00.000000Z"}] * 5, first=6, day="2026-11-23")
    done = []
    found = list(look_back(tmp_path, shipped_rules(), since="2026-11-22", progress=lambda *at: done.append(at)))
    assert found == []
    size = (tmp_path / "events" / "2026-11-23.jsonl").stat().st_size
    assert done[-1] == (size, size)


def test_lost_numbers_are_a_gap(tmp_path):
    """Numbers that are missing and that retention did not remove are found by the shipped rule."""
    one = {"time": "2026-11-20T00:00:00.000000Z", "level": "info", "category": "api", "action": "read"}
    write_lines(tmp_path, [one] * 2)
    write_lines(tmp_path, [one] * 2, first=9)
    (found,) = look_back(tmp_path, shipped_rules())
    assert (found.rule, found.count, found.details) == ("log-gap", 6, {"missing_first": 3, "missing_last": 8})


def test_findings_that_stand_there_are_told(directory):
    """`known` hears of each finding that the store has."""
    known = []
    (first, _) = look_back(directory, RULES)
    with Store.open(directory, durability="none") as store:
        store.append(first.fields())
    again = list(look_back(directory, RULES, known=known.append))
    assert known == [first.identity]
    assert [found.identity in known for found in again] == [True, False]
