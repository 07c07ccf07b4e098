"""Detection over real logs and over labelled records of other people's rules."""

import gzip
import json
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from stonelog.indexer.detect import Engine, read_rules

HERE = Path(__file__).parent
LABELLED = "audit_labelled/panther_a.jsonl.gz"


def test_the_brute_force_addresses_are_found_by_name(stonelog, quick, shared, shell):
    """The addresses with the most failed passwords, as an independent count has them, are keys of findings."""
    log = shared("auth/auth_aws_host.log.gz")
    assert stonelog("ingest", "--format", "auth", log).code == 0
    pipeline = "zgrep -oE 'Failed password for .* from [0-9.]+' \"$1\" | awk '{print $NF}' | sort | uniq -c | sort -rn"
    most = [line.split()[1] for line in shell(pipeline, log).splitlines()[:3]]
    assert most == ["24.151.103.17", "34.204.227.175", "49.4.143.105"]
    found = json.loads(quick("detect", "-o", "json").stdout)["findings"]
    addresses = {each["key"].get("ip_address") for each in found if each["rule"] == "brute-force-address"}
    assert set(most) <= addresses
    guessed = [each for each in found if each["rule"] == "success-after-failures-address"]
    assert [each["key"] for each in guessed] == [{"ip_address": "24.151.103.17"}]


@pytest.fixture
def labelled(shared):
    """The labelled tests by rule."""
    tests = defaultdict(list)
    with gzip.open(shared(LABELLED), "rt", encoding="utf-8") as lines:
        for line in lines:
            test = json.loads(line)
            tests[test["rule"]].append(test)
    return tests


def verdict(rule, record):
    """Whether the rule finds the record, as one event."""
    event = {"time": "2026-01-01T00:00:00.000000Z", "level": "info", "category": "audit", "action": "record"}
    return bool(Engine([rule]).see({**event, "metadata": record}, 1))


def test_labelled_rule_tests_pass_or_are_listed(labelled, capsys):
    """Each labelled test of a rule that has a condition here gets the expected verdict; the others are listed with
    the reason."""
    rules = {each.rule.title: each for each in read_rules((HERE / "labelled_rules.toml").read_text(), "labelled")}
    left_out = tomllib.loads((HERE / "labelled_left_out.toml").read_text())["left_out"]
    listed = {name: each["reason"] for each in left_out for name in each["rules"]}
    assert rules.keys() | listed.keys() == labelled.keys()
    assert not rules.keys() & listed.keys()
    wrong = [
        (name, test["test"])
        for name in rules
        for test in labelled[name]
        if verdict(rules[name], test["log"]) != test["expected"]
    ]
    assert wrong == []
    tests = sum(len(labelled[name]) for name in rules)
    with capsys.disabled():
        print(f"\n{len(rules)} of {len(labelled)} labelled rules, {tests} of {sum(map(len, labelled.values()))} tests")
        for each in left_out:
            print(f"  {len(each['rules'])} left out: {each['reason']}")
