from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.indexer import QueryError
from stonelog.indexer.query import MAX_DEPTH, MAX_LEAVES, MAX_LENGTH, parse
from stonelog.indexer.tree import And, Cidr, Equals, Everything, Exists, Node, Not, Or, Range, Wildcard, Words

A, B, C = Words("a"), Words("b"), Words("c")
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("*", Everything()),
        ('""', Everything()),
        ("a", A),
        ('"a b"', Words("a b")),
        ("a*", Words("a", prefix=True)),
        (r"a\*", Words("a*")),
        (r"\-a", Words("-a")),
        (r"\AND", Words("AND")),
        ('"AND"', Words("AND")),
        ("and", Words("and")),
        ("ANDROID", Words("ANDROID")),
        (r"a\:b", Words("a:b")),
        (r"\"", Words('"')),
        (r'"say \"hi\" \\ *"', Words('say "hi" \\ *')),
        ("10:30", Words("10:30")),
        ("::", Words("::")),
        ("-", Words("-")),
        ("a-b", Words("a-b")),
        ("10.0.0.1", Words("10.0.0.1")),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a b OR c", Or((And((A, B)), C))),
        ("a OR b c", Or((A, And((B, C))))),
        ("(a OR b) c", And((Or((A, B)), C))),
        ("-a", Not(A)),
        ("NOT a", Not(A)),
        ("NOT a b", And((Not(A), B))),
        ("a -b", And((A, Not(B)))),
        ("NOT (a OR b)", Not(Or((A, B)))),
        ("NOT NOT a", A),
        ("--a", A),
        ("(((a)))", A),
        ("a(b)", And((A, B))),
        ('a"b"', And((A, B))),
    ],
)
def test_words_and_operators_are_read(text: str, tree: Node) -> None:
    """Bare words, phrases, escapes, and NOT before AND before OR, as INTERFACES has them."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("username:ada", Equals("username", "ada")),
        ("username: ada", Equals("username", "ada")),
        ('username:"ada l"', Equals("username", "ada l")),
        (r"username:ada\ l", Equals("username", "ada l")),
        ("username:AND", Equals("username", "AND")),
        ("username:-x", Equals("username", "-x")),
        ("username:a:b", Equals("username", "a:b")),
        ('username:""', Equals("username", "")),
        ("username:*", Exists("username")),
        (r"username:\*", Equals("username", "*")),
        ("-username:*", Not(Exists("username"))),
        ("path:/v1/*", Wildcard("path", ("/v1/", ""))),
        ("path:/v?/**/x", Wildcard("path", ("/v?/", "/x"))),
        ("message:fail", Words("fail", "message")),
        ("message:fail*", Words("fail", "message", prefix=True)),
        ("message:*fail*", Wildcard("message", ("", "fail", ""))),
        ('message:"login failed"', Words("login failed", "message")),
        ("level:ERROR", Equals("level", 4)),
        ("level:>=warning", Range("level", 3, None)),
        ("category:Security", Equals("category", "security")),
        ("country:de", Equals("country", "DE")),
        (f"trace_id:{'AB' * 16}", Equals("trace_id", "ab" * 16)),
        ("status_code:404", Equals("status_code", 404)),
        ("status_code:4*", Wildcard("status_code", ("4", ""))),
        ("risk_score:>=70", Range("risk_score", 70, None)),
        ("risk_score:>70", Range("risk_score", 70, None, low_open=True)),
        ("risk_score:<=70", Range("risk_score", None, 70)),
        ("risk_score:<70", Range("risk_score", None, 70, high_open=True)),
        ("risk_score:> 70", Range("risk_score", 70, None, low_open=True)),
        ("status_code:[400 TO 499]", Range("status_code", 400, 499)),
        ("status_code:{400 TO 499]", Range("status_code", 400, 499, low_open=True)),
        ("status_code:[400 TO 499}", Range("status_code", 400, 499, high_open=True)),
        ("status_code:{400 TO *}", Range("status_code", 400, None, low_open=True)),
        ("status_code:[* TO *]", Exists("status_code")),
        ("response_time_ms:>1.5", Range("response_time_ms", 1.5, None, low_open=True)),
        ("ip_address:10.0.0.1", Equals("ip_address", ip_address("10.0.0.1"))),
        ("ip_address:2001:DB8::1", Equals("ip_address", ip_address("2001:db8::1"))),
        ("ip_address:10.0.0.0/8", Cidr("ip_address", ip_network("10.0.0.0/8"))),
        ("ip_address:10.1.2.3/8", Cidr("ip_address", ip_network("10.0.0.0/8"))),
        ("ip_address:[10.0.0.1 TO 10.0.0.9]", Range("ip_address", ip_address("10.0.0.1"), ip_address("10.0.0.9"))),
        ("metadata.order:1234", Equals("metadata.order", "1234")),
        ("metadata.a.b:*", Exists("metadata.a.b")),
        ("metadata:*", Exists("metadata")),
        (r"metadata.a\ b\:c:x", Equals("metadata.a b:c", "x")),
        ("metadata.n:>5", Range("metadata.n", 5, None, low_open=True)),
        ("metadata.n:[1 TO 2.5]", Range("metadata.n", 1, 2.5)),
        ("metadata.n:[1 TO x]", Range("metadata.n", "1", "x")),
        ('username:["a b" TO c]', Range("username", "a b", "c")),
        ("tags:x", Equals("tags", "x")),
        ("time:1970-01-02T00:00:00Z", Equals("time", DAY)),
        ("time:1970-01-02", Range("time", DAY, 2 * DAY, high_open=True)),
        ("time:>=1970-01-02", Range("time", DAY, None)),
        ("time:>1970-01-02", Range("time", 2 * DAY, None)),
        ("time:<1970-01-02", Range("time", None, DAY, high_open=True)),
        ("time:<=1970-01-02", Range("time", None, 2 * DAY, high_open=True)),
        ("time:[1970-01-02 TO 1970-01-02]", Range("time", DAY, 2 * DAY, high_open=True)),
    ],
)
def test_fields_are_read_by_their_kind(text: str, tree: Node) -> None:
    """A value becomes what its field holds, in the form in which it is stored; a date is its whole day."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "suggestion"),
    [
        ("user:ada", 0, "username"),
        ("a usrname:ada", 2, "username"),
        ("zzz:1", 0, "metadata.zzz"),
        ("status_code:abc", 12, "status_code:404"),
        ("risk_score:[1 TO x]", 17, "risk_score:>=70"),
        ("level:warn", 6, "warning"),
        ("ip_address:localhost", 11, "ip_address:10.0.0.1"),
        ("ip_address:10.0.0.0/40", 11, "ip_address:10.0.0.0/8"),
        ("ip_address:[10.0.0.1 TO ::1]", 24, "ip_address"),
        ("time:yesterday", 5, "24h"),
        ("time:2026*", 5, "TO"),
        ("metadata:x", 9, "metadata.KEY"),
        ("message:>x", 9, "message:*"),
        ("tags:[a TO b]", 6, "tags:*"),
        ("a*b", 1, '"a*b"'),
        ("a AND", 5, "word"),
        ("AND a", 0, '"AND"'),
        ("a OR OR b", 5, '"OR"'),
        ("NOT", 3, "word"),
        ("(a", 2, "(a)"),
        ("a)", 1, "("),
        ("()", 1, "("),
        ("level:(error OR info)", 6, "level:error OR level:critical"),
        ('a "b', 2, '"b"'),
        ("a \\", 2, "\\\\"),
        ("status_code:[1 2]", 15, "TO"),
        ("status_code:[1", 14, "TO"),
        ("status_code:[1 TO9]", 15, "TO"),
        ("(a OR (b c", 10, "(a OR (b c)"),
        ("user:a )", 0, "username"),
        ('user:a "b', 7, '"b"'),
        ("level:", 6, "word"),
        ("level:>", 7, "word"),
        ("ab \udc80", 3, ""),
    ],
)
def test_an_error_says_where_and_what_instead(text: str, position: int, suggestion: str) -> None:
    """Whatever is wrong is a QueryError with the place of the fault and something that would work."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == position
    assert suggestion in caught.value.suggestion


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("a" * MAX_LENGTH, "a" * (MAX_LENGTH + 1)),
        (f"{'(' * (MAX_DEPTH - 1)}a{')' * (MAX_DEPTH - 1)}", f"{'(' * MAX_DEPTH}a{')' * MAX_DEPTH}"),
        ("a " * MAX_LEAVES, "a " * (MAX_LEAVES + 1)),
        ("-" * (MAX_DEPTH - 1) + "a", "-" * MAX_DEPTH + "a"),
        (" OR ".join("a" * MAX_LEAVES), " OR ".join("a" * (MAX_LEAVES + 1))),
    ],
)
def test_a_query_has_limits(good: str, bad: str) -> None:
    """Length, depth and the number of conditions are bounded, and each bound can be reached."""
    parse(good)
    with pytest.raises(QueryError):
        parse(bad)


def test_a_hostile_query_ends_soon() -> None:
    """Thousands of opening signs of any kind are refused, not followed."""
    for text in ("(" * 8000, "-" * 8000 + "a", '"' * 7999, "NOT " * 2000, "level:[" * 1000, "\\" * 8191):
        with pytest.raises(QueryError):
            parse(text)


@given(
    st.text(st.characters(), max_size=60)
    | st.text('ab:*"()[]{}<>=-\\ TO AND OR NOT 5 level: time: ip_address:/', max_size=60)
)
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    """No text whatever raises anything but QueryError, and its position lies in the text."""
    try:
        parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
