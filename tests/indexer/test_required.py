from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore import loads
from stonelog.filestore.codec import encode, seal_line
from stonelog.filestore.event import checked
from stonelog.indexer.match import compile_filter
from stonelog.indexer.query import parse
from stonelog.indexer.required import required
from stonelog.indexer.tree import Node, all_of, any_of
from strategies import leaves_about, render, stored_fields, trees


def line_of(event: dict[str, Any]) -> bytes:
    """The line as the store writes it."""
    fields = {name: value for name, value in event.items() if name not in ("seq", "id", "redacted", "synced", "hash")}
    body = checked(fields)
    if "redacted" in event:
        body["redacted"] = event["redacted"]
    return seal_line(encode(body, before=f'"id":"{event["id"]}",'), event["seq"], event["synced"])


def check(tree: Node, line: bytes) -> None:
    alternatives = required(tree)
    assert b"" not in alternatives
    assert len(alternatives) <= 16
    if alternatives and not any(text in line for text in alternatives):
        assert not compile_filter(tree)(loads(line)), (render(tree), alternatives, line)


@given(stored_fields(), st.lists(trees, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_no_line_that_matches_is_skipped(event: dict[str, Any], asked: list[Node]) -> None:
    """A line without any of the strings does not match, whatever the tree."""
    line = line_of(event)
    for tree in asked:
        check(tree, line)


@given(stored_fields(), st.data())
@settings(max_examples=300, deadline=None)
def test_what_a_line_holds_is_required_as_it_is_written(event: dict[str, Any], data: st.DataObject) -> None:
    """Conditions drawn from the event itself, alone and together, require what its line has."""
    line = line_of(event)
    asked = data.draw(st.lists(leaves_about(loads(line)), min_size=2, max_size=4))
    for tree in (*asked, all_of(asked), any_of(asked)):
        check(tree, line)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ()),
        ("login", ()),
        ("12345", ()),
        ("-username:ada", ()),
        ("category:auth", (b'"category":"auth",',)),
        ("username:ada", (b'"username":"ada",',)),
        ('username:"a\\"b\\\\c"', (rb'"username":"a\"b\\c",',)),
        ("username:é", ('"username":"é",'.encode(),)),
        ('username:"a\u2028"', (b'"username":',)),
        ('username:"a\x7f"', (b'"username":',)),
        ("username:ada*", (b'"username":"ada',)),
        ("username:*ada*lovelace", (b"lovelace",)),
        ("level:error", (b'"level":"error",',)),
        ("level:>=error", (b'"level":"error",', b'"level":"critical",')),
        ("level:>=debug", ()),
        ("status_code:404.0", (b'"status_code":404,',)),
        ("seq:1e300", ()),
        ("asn:1e300", (b'"asn":',)),
        ("status_code:>=400", (b'"status_code":',)),
        ("seq:7", (b'"seq":7,',)),
        ("hash:0123456789abcdef", (b'"hash":"0123456789abcdef"',)),
        ("time:>2026-11-23", ()),
        ("time:2026-11-23T00:00:00Z", (b'"time":"2026-11-23T00:00:00.000000Z",',)),
        ("ip_address:10.0.0.1", (b'"ip_address":"10.0.0.1",',)),
        ("ip_address:10.0.0.0/8", (b'"ip_address":',)),
        ("ip_address:fe80\\:\\:1", (b'"ip_address":',)),
        ("message:login", (b'"message":',)),
        ("tags:beta", (b'"beta"',)),
        ("metadata.order.id:A-17", (b'"A-17"',)),
        ("metadata.order.id:1234", (b"1234",)),
        ("metadata.order.id:1.5e2", (b"150", b'"1.5e2"')),
        ("metadata.order.id:1e22", (b'id":',)),
        ("metadata.order.id:0", (b'id":',)),
        ("metadata.order.paid:true", (b"true",)),
        ("metadata.order.id:>5", (b'id":',)),
        ("metadata.order:*", (b"order",)),
        ("metadata:*", (b'"metadata":',)),
        ("metadata.a:x1y*", (b"x1y",)),
        ("metadata.a:12*", (b'a":',)),
        ("::", (b"::",)),
        ('"-"', ()),
        ("login username:ada level:error", (b'"level":"error",',)),
        ("username:ada OR username:bob", (b'"username":"ada",', b'"username":"bob",')),
        ("username:ada OR login", ()),
        (" OR ".join(f"username:u{number}" for number in range(10, 27)), ()),
        ("username:*a*", (b'"username":',)),
        ("username:*abc* OR username:*abcd*", (b"abc",)),
    ],
)
def test_what_is_required(query: str, expected: tuple[bytes, ...]) -> None:
    """What is written in one way is required as it is written; words, which fold case, require nothing."""
    assert set(required(parse(query))) == set(expected)
