"""The engine: which rules see which events, findings of findings, states."""

import json

from stonelog.filestore import Store
from stonelog.indexer.detect import Engine, State, read_state, shipped_rules, write_state

from .conftest import START, engine, event

MATCH = '[[rule]]\nid = "{}"\ntitle = "T"\nform = "match"\nquery = "{}"\nby = ["username"]\nfindings = {}\n'


def test_a_finding_is_an_event_that_the_store_takes(tmp_path):
    """Category security, action finding, level by severity, the key's fields as fields, all else in metadata."""
    at_work = engine('form = "match"\nseverity = "high"\ntags = ["t"]\nby = ["username"]\nquery = "action:delete"\n')
    (found,) = at_work.see(event(1, action="delete", username="ada"), 7)
    with Store.open(tmp_path, durability="none") as store:
        store.append(found.fields())
        (stored,) = store.read()
    assert (stored.category, stored.action, stored.level) == ("security", "finding", "error")
    assert (stored.message, stored.username, stored.tags) == ("R: username=ada", "ada", ["t"])
    assert stored.metadata == {
        "rule": "r",
        "severity": "high",
        "key": {"username": "ada"},
        "count": 1,
        "first_seq": 7,
        "last_seq": 7,
        "seqs": [7],
        "window_seconds": 300.0,
        "tags": ["t"],
    }


def finding_of(rule, seq, at_work):
    """The event of a finding of the rule, as the engine would see it."""
    return {**event(seq, username="ada"), "category": "security", "action": "finding", "metadata": rule}


def test_findings_are_not_looked_at_unless_a_rule_asks():
    """A rule over everything passes findings over; one with `findings = true` sees those of others, not its own."""
    at_work = engine(MATCH.format("plain", "", "false") + MATCH.format("asks", "", "true"))
    seen = finding_of({"rule": "plain"}, 1, at_work)
    assert [found.rule for found in at_work.see(seen, 1)] == ["asks"]
    assert at_work.see(finding_of({"rule": "asks"}, 2, at_work), 2) == ()


def test_findings_of_findings_end_there():
    """What came of findings brings about no more of them: two rules that look at each other come to rest."""
    at_work = engine(MATCH.format("one", "", "true") + MATCH.format("two", "", "true"))
    waiting, seen = [event(1, username="ada")], 0
    while waiting and seen < 100:
        seen += 1
        waiting += [found.fields() for found in at_work.see(waiting.pop(), seen)]
    assert seen < 10


def test_events_by_another_hand_are_passed_over():
    """Without a time, a category or with values of wrong types nothing is found and nothing is raised."""
    at_work = Engine(shipped_rules())
    odd = [{}, {"time": 7}, {"time": "x", "category": "api"}, {**event(1), "category": ["a"], "action": {}}]
    odd += [{**event(1), "metadata": value, "path": 7, "tags": 3, "country": []} for value in (None, [], "x", 7)]
    odd += [{**event(1), "username": {"a": 1}}, {**event(1), "category": "security", "action": "finding"}]
    assert [list(at_work.see(each, seq)) for seq, each in enumerate(odd, 1)] == [[]] * len(odd)


def test_the_state_survives_its_file_and_other_rules(tmp_path):
    """A state read back is the same; a rule that was changed begins anew, one that is gone is no trouble."""
    at_work = Engine(shipped_rules())
    for n in range(1, 400):
        fields = {"username": f"u{n % 7}", "ip_address": "203.0.113.7", "country": "DE", "status_code": 404 + n % 99}
        action = ("login_failed", "login", "export", "delete")[n % 4]
        outcome = "failure" if n % 4 == 0 else "success"
        at_work.see(event(n, **fields, action=action, outcome=outcome, metadata={"rows": n, "bytes": 2.5 * n}), n)
    state = at_work.state()
    write_state(tmp_path, state)
    again = Engine(shipped_rules(), read_state(tmp_path))
    assert json.dumps(again.state().rules) == json.dumps(state.rules)
    assert again.seq == 399
    changed = engine('form = "count"\nat_least = 2\n', State(5, {"r": {"rule": "other", "keys": 7}, "x": {}}))
    assert changed.state().rules["r"]["keys"] == []


def test_odd_keys_can_be_saved(tmp_path):
    """Numbers beyond 64 bits, long texts, lists by another hand."""
    rule = 'form = "count"\nat_least = 5\nby = ["metadata.key"]\n'
    at_work = engine(rule)
    for seq, key in enumerate([2**80, "x" * 60_000, True, 1.5, float("inf"), "\u2028", -(2**64)], 1):
        at_work.see(event(seq, metadata={"key": key}), seq)
    write_state(tmp_path, at_work.state())
    assert len(engine(rule, read_state(tmp_path)).state().rules["r"]["keys"]) == 7


def test_a_damaged_part_of_the_state_is_begun_anew():
    """What is not as it was saved costs one rule its memory, not the start."""
    before = engine('form = "count"\nat_least = 2\n')
    before.see(event(1), 1)
    state = before.state()
    state.rules["r"]["keys"] = [["a"]]
    assert engine('form = "count"\nat_least = 2\n', state).state().rules["r"]["keys"] == []


def test_minutes_are_read_right():
    """The time of a finding is that of its event to the microsecond, within a minute and over its end."""
    at_work = engine('form = "match"\nwindow = "1s"\n')
    for seq, seconds in enumerate([0.000001, 57.5, 60.25, 3599.999999, 7200, 7201.5], 1):
        (found,) = at_work.see(event(seconds), seq)
        assert found.time == START + round(seconds * 1_000_000)
