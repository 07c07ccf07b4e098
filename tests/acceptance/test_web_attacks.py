"""Labelled attacks and ordinary traffic: how many are found, and how many are found that are none."""

import csv
import gzip
import hashlib
import json
import re
import tarfile
from collections import Counter, defaultdict

import pytest

from stonelog.indexer.detect.web import attacks, attacks_of

LABELS = {"sqli": "sqli", "xss": "xss", "cmdi": "cmdi", "path-traversal": "traversal"}


def parameters(path):
    """The labelled parameter values, in two halves by a hash of the value: the patterns were made on the first."""
    halves = ([], [])
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            half = hashlib.sha256(row["payload"].encode()).digest()[0] & 1
            halves[half].append((row["payload"], row["attack_type"]))
    return halves


def rates(rows):
    """By label: how many there are, the share that shows any attack, the share that shows the labelled one."""
    number, found, named = Counter(), Counter(), Counter()
    for text, label in rows:
        shown = attacks(text)
        number[label] += 1
        found[label] += bool(shown)
        named[label] += LABELS.get(label) in shown
    return {label: (number[label], found[label] / number[label], named[label] / number[label]) for label in number}


@pytest.mark.parametrize("half", [0, 1], ids=["made on", "held out"])
def test_labelled_parameters(shared, half):
    """At least 90 % of the attacks are found, and at most 1 % of the ordinary values, on the half held out too."""
    found = rates(parameters(shared("threat/http_params_train.csv.gz"))[half])
    print()
    for label, (number, share, named) in sorted(found.items()):
        print(f"{label:15} {number:6} found {share:7.4f}  by its name {named:7.4f}")
    of_attacks = [found[label] for label in LABELS]
    recall = sum(number * share for number, share, _ in of_attacks) / sum(number for number, _, _ in of_attacks)
    print(f"{'all attacks':15} found {recall:7.4f}")
    assert recall >= 0.97
    assert found["norm"][1] <= 0.002
    least = {"sqli": 0.97, "xss": 0.9, "cmdi": 0.6, "path-traversal": 0.7}
    assert {label: found[label][2] >= share for label, share in least.items()} == dict.fromkeys(least, True)


def of_request(request):
    """The request of a CRS test as the fields of an event."""
    headers = {name: str(value) for name, value in (request["headers"] or {}).items()}
    agents = [value for name, value in headers.items() if name.lower() == "user-agent"]
    others = {name: value for name, value in headers.items() if name.lower() != "user-agent"}
    free = {"headers": others, "body": request["data"] or ""}
    return {"path": request["uri"] or "", "user_agent": agents[0] if agents else "", "metadata": free}


def test_requests_of_the_core_rule_set(shared):
    """By family of rules, what must fire and what must not. Its rules of high paranoia are no aim of ours."""
    must, must_not = defaultdict(list), defaultdict(list)
    with gzip.open(shared("threat/crs_requests_a.jsonl.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            request = json.loads(line)
            family = request["group"].split("-", 2)[2]
            if request["expect_ids"]:
                must[family].append(bool(attacks_of(of_request(request))))
            elif request["no_expect_ids"]:
                must_not[family].append(bool(attacks_of(of_request(request))))
    print()
    for family in sorted({*must, *must_not}):
        fire, quiet = must[family], must_not[family]
        print(f"{family:35} must fire {sum(fire):4}/{len(fire):4}   must not {sum(quiet):3}/{len(quiet):3}")
    fired, kept = sum(sum(each) for each in must.values()), sum(sum(each) for each in must_not.values())
    print(f"{'all':35} must fire {fired:4}        must not {kept:3}")
    assert fired >= 900
    assert kept <= 50


def test_lists_of_payloads(shared):
    """By family, the share of the lines that show an attack; fragments and single characters among them do not."""
    print()
    found = {}
    with tarfile.open(shared("threat/payloads.tar.gz")) as archive:
        for member in archive:
            texts = archive.extractfile(member).read().decode("utf-8", "replace").splitlines()
            shown = [bool(attacks(text)) for text in texts if text.strip()]
            family = member.name.split("__")[0] + " " + member.name.split("__")[-1]
            found[family] = sum(shown) / len(shown)
            print(f"{family:50} {sum(shown):4}/{len(shown):4} {found[family]:6.3f}")
    assert len(found) == 11
    assert sorted(found.values())[2] > 0.8


def test_ordinary_traffic(shared):
    """Ten thousand requests to a real site: no path, referrer or agent of theirs shows an attack."""
    line = re.compile(r'[^"]*"\S+ (\S+)[^"]*" \d+ \S+ "([^"]*)" "([^"]*)"')
    with gzip.open(shared("access/apache_combined.log.gz"), "rt", encoding="utf-8", errors="replace") as file:
        requests = [found.groups() for found in map(line.match, file) if found]
    assert len(requests) > 9_900
    hits = [
        (path, referrer, agent)
        for path, referrer, agent in requests
        if attacks(path) or attacks(referrer) or attacks(agent, agent=True)
    ]
    assert hits == []
