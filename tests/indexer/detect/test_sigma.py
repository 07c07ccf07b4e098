"""Sigma rules as ours."""

import sys

import pytest

from stonelog.indexer.detect import DetectSettings, Engine, InvalidRule, load_rules
from stonelog.indexer.detect.sigma import read_sigma

from .conftest import event

pytest.importorskip("sigma", reason="pySigma is not installed")

HEAD = """title: T
id: 11111111-1111-4111-8111-111111111111
status: test
level: high
tags: [attack.t1190]
logsource: {category: webserver}
detection:
"""


def matches(detection, *events, head=HEAD):
    """Whether the rule finds each of the events."""
    rules, unsupported = read_sigma(head + detection, "t.yml")
    assert unsupported == ()
    return [bool(Engine(rules).see(each, 1)) for each in events]


def web(**fields):
    return event(1, category="api", action="read", **{"path": "/", **fields})


CASES = [
    ("  s: {cs-uri-query|contains: 'union select'}\n", [("/a?q=1 UNION SELECT 2", True), ("/a?q=union", False)]),
    ("  s: {c-uri|startswith: '/admin'}\n", [("/ADMIN/x", True), ("/x/admin", False)]),
    ("  s: {c-uri|endswith: ['.bak', '.old']}\n", [("/a.old", True), ("/a.old/b", False)]),
    ("  s: {c-uri|contains|all: ['a', 'b']}\n", [("/ab", True), ("/a", False)]),
    ("  s: {c-uri|contains|cased: 'Ab'}\n", [("/Ab", True), ("/ab", False)]),
    ("  s: {c-uri|re: '/v[0-9]{1,3}/x$'}\n", [("/v12/x", True), ("/v1234/x", False)]),
    ("  s: {c-uri: '/a?c*e'}\n", [("/abcde", True), ("/acde", False)]),
]


@pytest.mark.parametrize(("selection", "paths"), CASES)
def test_modifiers_mean_what_sigma_says(selection, paths):
    """Without regard to case unless cased, with * and ? and patterns."""
    found = matches(selection + "  condition: s\n", *(web(path=path) for path, _ in paths))
    assert found == [expected for _, expected in paths]


def test_addresses_numbers_and_absent_fields():
    """CIDR, comparisons, exact numbers, null and exists."""
    detection = "  s: {c-ip|cidr: 10.0.0.0/8, sc-status|gte: 400, cs-method: POST}\n  condition: s\n"
    good = web(ip_address="10.1.2.3", status_code=403, method="post")
    assert matches(detection, good, {**good, "ip_address": "11.1.2.3"}, {**good, "status_code": 302}) == [
        *(True, False, False)
    ]
    assert matches("  s: {cs-username: null}\n  condition: s\n", web(), web(username="ada")) == [True, False]
    assert matches("  s: {cs-referer|exists: true}\n  condition: s\n", web(metadata={"cs-referer": "x"}), web()) == [
        *(True, False)
    ]


def test_conditions_and_keywords():
    """and, or, not, 1 of, all of; a keyword stands in any searched text."""
    detection = (
        "  one_a: {c-uri|contains: a}\n  one_b: {c-uri|contains: b}\n  not_c: {c-uri|contains: c}\n"
        "  condition: 1 of one_* and not not_c\n"
    )
    assert matches(detection, web(path="/a"), web(path="/b"), web(path="/ac"), web(path="/d")) == [
        *(True, True, False, False)
    ]
    detection = detection.replace("1 of", "all of")
    assert matches(detection, web(path="/a"), web(path="/ab")) == [False, True]
    detection = "  words: ['evil', 'bad thing']\n  condition: words\n"
    assert matches(detection, web(message="an EVIL plan"), web(metadata={"x": "a bad thing"}), web()) == [
        *(True, True, False)
    ]


def test_the_rule_keeps_its_name_level_and_tags():
    """The id with `sigma-` before it, level as severity, tags after `sigma`; deprecated rules are off."""
    (rule,), _ = read_sigma(HEAD + "  s: {c-uri: /x}\n  condition: s\n", "t.yml")
    assert (rule.rule.id, rule.rule.severity) == ("sigma-11111111-1111-4111-8111-111111111111", "high")
    assert rule.rule.tags == ("sigma", "attack.t1190")
    (rule,), _ = read_sigma(HEAD.replace("test", "deprecated") + "  s: {c-uri: /x}\n  condition: s\n", "t.yml")
    assert not rule.rule.enabled


def test_sign_in_rules_look_at_sign_ins_only():
    """The log source decides which events are looked at."""
    head = HEAD.replace("category: webserver", "product: linux, service: sshd")
    one = event(1, username="root", outcome="failure")
    detection = "  s: {user: root}\n  condition: s\n"
    assert matches(detection, one, {**one, "category": "api"}, head=head) == [True, False]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("category: webserver", "product: windows, category: process_creation"), "log source category process_creat"),
        (("|contains", "|base64offset|contains"), "modifier base64offset"),
        (("|contains: x", "|fieldref: cs-method"), "modifier fieldreference"),
        (("|contains: x", "|re: '(?<=a)b'"), "a"),
        (("condition: s", "condition: t"), "t"),
    ],
)
def test_what_is_not_supported_is_listed(change, reason):
    """With file, title and reason; other rules of the file are used."""
    good = HEAD.replace("1111-1111", "2222-2222") + "  s: {c-uri|contains: x}\n  condition: s\n"
    bad = (HEAD + "  s: {c-uri|contains: x}\n  condition: s\n").replace(*change)
    rules, unsupported = read_sigma(f"{bad}---\n{good}", "t.yml")
    assert len(rules) == 1
    assert len(unsupported) == 1
    assert unsupported[0].startswith("t.yml: T: ")
    assert reason in unsupported[0]


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "title: x\n", "7"])
def test_what_is_no_sigma_rule_is_refused_or_listed(text):
    """Nothing else is raised."""
    try:
        rules, unsupported = read_sigma(text, "t.yml")
    except InvalidRule as error:
        assert "t.yml" in str(error)
    else:
        assert rules == ()
        assert len(unsupported) == 1


def test_files_of_the_store_are_loaded(tmp_path):
    """DIR/rules/*.yml stand beside the TOML ones."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "web.yml").write_text(HEAD + "  s: {c-uri: /x}\n  condition: s\n")
    loaded = load_rules(tmp_path, DetectSettings(defaults=False))
    assert [each.rule.title for each in loaded.rules] == ["T"]


def test_without_pysigma_the_extra_is_named(monkeypatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "sigma.collection", None)
    with pytest.raises(InvalidRule, match=r"install stonelog\[sigma\]"):
        read_sigma(HEAD, "t.yml")
