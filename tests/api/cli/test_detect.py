"""`detect`."""

import json

import pytest

from stonelog.filestore import Store

RULE = (
    '[[rule]]\nid = "mine"\ntitle = "Mine"\nform = "count"\nquery = "action:delete"\nby = ["username"]\nat_least = 3\n'
)


@pytest.fixture
def directory(tmp_path):
    """A store in which ada deletes three times."""
    with Store.open(tmp_path / "d", durability="none") as store:
        store.append_many([{"category": "data_management", "action": "delete", "username": "ada\u001b[1m"}] * 3)
    (tmp_path / "own.toml").write_text(RULE)
    return tmp_path / "d"


def test_detect_shows_what_rules_find(run, directory):
    """A line for each finding: severity, time, rule, key, count and places; controls are shown, not obeyed."""
    ended = run("detect", "--dir", directory, "--rules", "own.toml")
    assert (ended.exit_code, ended.stderr) == (0, "")
    (line,) = ended.stdout.splitlines()
    assert line.startswith("medium   20")
    assert line.endswith("Z mine: Mine: username=ada\\u001b[1m (3 events: seq 1,2,3)")


def test_detect_as_json(run, directory):
    """The same for machines."""
    shown = json.loads(run("detect", "--dir", directory, "--rules", "own.toml", "-o", "json").stdout)
    (found,) = shown["findings"]
    assert (found["rule"], found["count"], found["seqs"]) == ("mine", 3, [1, 2, 3])


def test_nothing_found_is_status_1(run, directory):
    """The shipped rules find nothing; nor does `--since` leave anything to find."""
    assert run("detect", "--dir", directory).exit_code == 1
    assert run("detect", "--dir", directory, "--rules", "own.toml", "--since", "2100-01-01").exit_code == 1


def test_only_some_rules(run, directory):
    """`--rule` names them; one that is not there is an error with the nearest name."""
    assert run("detect", "--dir", directory, "--rules", "own.toml", "--rule", "scanner").exit_code == 1
    ended = run("detect", "--dir", directory, "--rule", "scaner")
    assert ended.exit_code == 2
    assert "did you mean scanner" in ended.stderr


def test_findings_are_written_once(run, directory):
    """`--write` appends those that the store does not have."""
    shown = [run("detect", "--dir", directory, "--rules", "own.toml", "--write").stdout for _ in range(2)]
    assert [text.splitlines()[-1] for text in shown] == ["1 written, 0 were there", "0 written, 1 were there"]
    with Store.open(directory, durability="none") as store:
        assert [event.action for event in store.read()] == ["delete"] * 3 + ["finding"]


def test_rules_are_listed(run, directory):
    """Severity, form, id and title of all; as JSON with what they say."""
    lines = run("detect", "--dir", directory, "--list", "--rules", "own.toml").stdout.splitlines()
    assert "medium   count      mine: Mine" in lines
    shown = json.loads(run("detect", "--dir", directory, "--list", "--rules", "own.toml", "-o", "json").stdout)
    assert shown["rules"][-1]["query"] == "action:delete"


def test_a_wrong_rule_is_one_line(run, directory, tmp_path):
    """File, rule and key."""
    (tmp_path / "bad.toml").write_text(RULE + "wnidow = '5m'\n")
    ended = run("detect", "--dir", directory, "--rules", "bad.toml")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "bad.toml: rule mine: wnidow: form count has no such key" in ended.stderr
