from typing import Any

import pytest

from stonelog.indexer.match import compile_filter
from stonelog.indexer.plan import Plan, plan
from stonelog.indexer.query import parse
from strategies import TermIndex


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Plan("all", "", True)),
        ("-*", Plan("none", "", True)),
        ("login", Plan("match", '"login"', True)),
        ("LOGIN*", Plan("match", '"login"*', True)),
        ("login failed", Plan("match", '"login" AND "failed"', True)),
        ('"login failed"', Plan("match", '"login" AND "failed"', False)),
        ("-login", Plan("except", '"login"', True)),
        ('-"login failed"', Plan("all", "", False)),
        ("a OR b", Plan("match", '"a" OR "b"', True)),
        ("a -b", Plan("match", '"a" NOT "b"', True)),
        ("a OR -b", Plan("except", '"b" NOT "a"', True)),
        ("-a -b", Plan("except", '"a" OR "b"', True)),
        ("NOT (a b)", Plan("except", '"a" AND "b"', True)),
        ("a a", Plan("match", '"a"', True)),
        ("自由", Plan("match", '"自由"', True)),
        ("自", Plan("match", '"自"*', True)),
        ("自由権", Plan("match", '"自由" AND "由権"', False)),
        ("::", Plan("all", "", False)),
        ("message:login", Plan("match", '"login"', False)),
        ("stack_trace:login", Plan("match", '":stack_trace~login"', True)),
        ("message:*", Plan("match", '":message"', True)),
        ("level:error", Plan("match", '":level=error"', True)),
        ("level:>=error", Plan("match", '":level=error" OR ":level=critical"', True)),
        ("level:*", Plan("all", "", True)),
        ("-seq:*", Plan("none", "", True)),
        ("username:Ada", Plan("match", '":username=\ue041da"', True)),
        ("path:/v1/*", Plan("match", '":path=/v1/"*', True)),
        ("path:*x", Plan("match", '":path="*', False)),
        ("username:[ab TO ac]", Plan("match", '":username=a"*', False)),
        ("status_code:404", Plan("match", '":status_code<c079400000000000"*', True)),
        ("status_code:40.5", Plan("none", "", True)),
        ("ip_address:10.0.0.1", Plan("match", '":ip_address<40a000001"', True)),
        ("ip_address:10.0.0.0/8", Plan("match", '":ip_address<40a"*', True)),
        ("metadata.a:x", Plan("match", '":metadata.a=x"', True)),
        ("metadata.a:x*", Plan("match", '":metadata.a=x"*', True)),
        ("seq:5", Plan("all", "", False)),
        ("time:2026-11-23", Plan("all", "", False)),
        ("id:x OR login", Plan("all", "", False)),
        ("id:x login", Plan("match", '"login"', False)),
        (f"path:{'p' * 130}", None),
    ],
)
def test_a_query_becomes_an_expression(query: str, expected: Plan | None) -> None:
    """Each condition asks for the fewest terms there are, and says whether they tell all."""
    found = plan(parse(query))
    if expected is None:
        assert (found.kind, found.exact) == ("match", False)
    else:
        assert found == expected


def test_number_ranges_are_exact() -> None:
    """A range of numbers is answered by the index alone, however crooked its bounds."""
    for query in ("response_time_ms:>99.9", "response_time_ms:[0.1 TO 1234.567}", "metadata.n:<-0.3", "asn:>5"):
        found = plan(parse(query))
        assert found.exact
        assert found.expression.count(" OR ") < 512


def test_many_ranges_share_what_one_may_take() -> None:
    """A query of many ranges stays small by letting each find more than it means."""
    text = " OR ".join(f"metadata.n:[{number}.1 TO {number}.7]" for number in range(250))
    found = plan(parse(text))
    assert not found.exact
    assert found.expression.count(" OR ") < 250 * 16


EVENT: dict[str, Any] = {
    "seq": 1,
    "level": "error",
    "message": "login failed",
    "status_code": 503,
    "response_time_ms": 99.95,
    "ip_address": "10.0.0.1",
    "metadata": {"n": [5, "x"], "big": 2**53 + 1},
}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (" OR ".join(f"w{n}" for n in range(999)) + " OR login", 1),
        (" ".join(f"-w{n}" for n in range(1000)), 1),
        (" ".join(f"(w{n} OR login)" for n in range(500)), 1),
        (" OR ".join(f"status_code:*{n % 10}*" for n in range(400)), 1),
        (" ".join(f"response_time_ms:>{n}.1" for n in range(99)), 1),
        ('"' + "".join(chr(0x4E00 + n) for n in range(8000)) + '"', 0),
        ('"' + " ".join(f"{n:x}" for n in range(1700)) + '"', 0),
        ("(NOT " * 30 + "login" + ")" * 30, 1),
        ("".join(f"(w{n} OR login AND " for n in range(60)) + "failed" + ")" * 60, 1),
        ("".join(f"(w{n} OR -" for n in range(30)) + "failed" + ")" * 30, 1),
        ("metadata.big:9007199254740993", 1),
        ("metadata.big:9007199254740992", 0),
        ("status_code:5* response_time_ms:>99.9 ip_address:10.0.0.0/31 metadata.n:5 metadata.n:x", 1),
    ],
)
def test_sqlite_answers_large_and_deep_plans(query: str, count: int) -> None:
    """A thousand conditions, and sixty levels, are no error in SQLite and find no less than the event says."""
    index = TermIndex([EVENT])
    found = index.find(plan(parse(query)))
    assert compile_filter(parse(query))(EVENT) == bool(count)
    assert len(found) >= count
    index.connection.close()


def test_the_term_of_a_query_is_never_syntax() -> None:
    """Quotes, stars, colons, control characters and operators in a query reach SQLite as text."""
    index = TermIndex([EVENT])
    hostile = [
        '"',
        '""',
        "*",
        "a*b",
        "t:login",
        "NEAR(login failed)",
        "^login",
        "\0",
        "login\0",
        "{t}:x",
        "\ue000",
        "'; --",
    ]
    for text in hostile:
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for query in (quoted, f"username:{quoted}", f"metadata.x:{quoted}", f"stack_trace:{quoted}"):
            assert index.find(plan(parse(query))) <= {1}
    index.connection.close()
