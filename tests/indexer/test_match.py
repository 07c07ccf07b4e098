import gzip
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from stonelog.indexer import QueryError, line_filter
from stonelog.indexer.match import compile_filter, in_period, like
from stonelog.indexer.query import parse
from stonelog.indexer.words import canonical, needles

DATA = Path(__file__).parents[2] / "../shared/data"
UDHR = DATA / "unicode/udhr_16_languages.jsonl.gz"

EVENT: dict[str, Any] = {
    "seq": 7,
    "id": "01940000-0000-7000-8000-000000000007",
    "time": "2026-11-23T14:05:06.000007Z",
    "level": "warning",
    "category": "authentication",
    "action": "login_failed",
    "message": "Login failed for Ada: wrong password",
    "outcome": "failure",
    "username": "ada",
    "ip_address": "10.1.2.3",
    "user_agent": "Mozilla/5.0 (X11)",
    "status_code": 401,
    "response_time_ms": 12.5,
    "path": "/v1/Session",
    "risk_score": 70,
    "tags": ["Beta", "two words"],
    "stack_trace": "at login.py:12\nValueError: nope",
    "metadata": {
        "order": {"id": 1234, "total": 99.5, "paid": True, "note": None, "codes": ["A1", 5]},
        "dotted.key": "x:y",
        "big": 9007199254740993,
        "float": 5.0,
        "text": "5",
        "nothing": None,
    },
    "synced": 6,
    "hash": "0123456789abcdef",
}


@pytest.mark.parametrize(
    "query",
    [
        *("", "*", "ada", "LOGIN", '"login failed"', "login failed", "pass*", "beta", "words", "session", "mozilla"),
        *("1234", "99.5", "true", "A1", "x:y".replace(":", r"\:"), "5", "nope OR ada", "-nope", "level:warning"),
        *("level:>=warning", "level:<error", "level:[notice TO warning]", "level:warn*", "level:*"),
        *("message:login", 'message:"wrong password"', "message:passw*", "message:*ONG*word", "message:*"),
        *(
            "stack_trace:nope",
            "stack_trace:login.py",
            "username:ada",
            "username:a*",
            "username:*d*",
            "username:[a TO b]",
        ),
        *(
            "tags:Beta",
            'tags:"two words"',
            "tags:two*",
            "tags:*",
            "status_code:401",
            "status_code:401.0",
            "status_code:4*",
        ),
        *("status_code:[400 TO 499]", "status_code:{400 TO 401]", "risk_score:>=70", "response_time_ms:12.5"),
        *("response_time_ms:<13", "ip_address:10.1.2.3", "ip_address:10.0.0.0/8", "ip_address:[10.1.2.3 TO 10.1.2.4}"),
        *("ip_address:10.1.*", "path:/v1/*", "seq:7", "seq:>6", "synced:6", "hash:0123456789ABCDEF"),
        *(
            "time:2026-11-23",
            "time:2026-11-23T15:05:06.000007+01:00",
            "time:>=2026-11-23T14:05:06Z",
            "time:<2026-11-24",
        ),
        *(
            "metadata.order.id:1234",
            "metadata.order.id:1.234e3",
            "metadata.order.total:>99",
            "metadata.order.paid:true",
        ),
        *(
            "metadata.order.codes:A1",
            "metadata.order.codes:5",
            "metadata.dotted.key:x:y",
            "metadata.order:*",
            "metadata:*",
        ),
        *("metadata.big:9007199254740993", "metadata.float:5", "metadata.text:5", "metadata.text:[4 TO 5a]"),
        *("metadata.order.id:12*", "metadata.order.codes:[A TO B]", "category:AUTHENTICATION", "-metadata.nothing:*"),
    ],
)
def test_the_event_matches(query: str) -> None:
    """Each way of asking for what the event holds finds it."""
    assert compile_filter(parse(query))(EVENT)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "nope",
            "failure",
            "warning",
            "login.py",
            "401",
            "null",
            "note",
            '"failed login"',
            '"ada 1234"',
            "logi",
            "ada nope",
        ),
        *(
            "-ada",
            "NOT level:*",
            "level:error",
            "level:>warning",
            "message:nope",
            "username:Ada",
            "username:ad",
            "username:da*",
        ),
        *(
            "tags:beta",
            "tags:two",
            "status_code:402",
            "status_code:{401 TO 499]",
            "response_time_ms:>12.5",
            "country:*",
        ),
        *(
            "ip_address:10.1.2.4",
            "ip_address:11.0.0.0/8",
            "ip_address:::/0",
            "ip_address:[::1 TO *]",
            "path:/V1/*",
            "path:/v1",
        ),
        *("seq:>7", "time:2026-11-24", "time:>2026-11-23", "time:<2026-11-23T14:05:06Z", "metadata.order.id:12"),
        *("metadata.order.note:*", "metadata.nothing:*", "metadata.order.paid:1", "metadata.big:9007199254740992"),
        *(
            "metadata.text:>4",
            "metadata.order:1234",
            "metadata.float:5.5",
            "metadata.order.paid:True",
            "metadata.Order.id:1234",
        ),
    ],
)
def test_the_event_does_not_match(query: str) -> None:
    """What the event does not hold, holds elsewhere, or holds otherwise, is not found."""
    assert not compile_filter(parse(query))(EVENT)


@pytest.mark.parametrize(
    ("parts", "text", "expected"),
    [
        (("a", ""), "abc", True),
        (("", "c"), "abc", True),
        (("a", "c"), "abc", True),
        (("a", "b", "c"), "aXbXc", True),
        (("ab", "b"), "ab", False),
        (("a", "b", "b"), "ab", False),
        (("", "ab", "ab", ""), "aab", False),
        (("a", ""), "ba", False),
        (("", "1", ""), 215, True),
    ],
)
def test_a_pattern_takes_its_parts_in_order(parts: tuple[str, ...], text: object, expected: bool) -> None:
    """Between the parts anything may stand, but no character serves two of them."""
    assert like(parts)(text) is expected


def test_a_hostile_pattern_takes_one_pass() -> None:
    """A pattern of many stars is no regular expression: it ends at once on a text that nearly matches."""
    assert not like(("", *["a"] * 2000, "b"))("a" * 60_000)


def test_a_period_holds_its_start_and_not_its_end() -> None:
    """`since` is within, `until` without; either may be missing."""
    at = 1_795_442_706_000_007
    assert in_period(at, at + 1)(EVENT)
    assert not in_period(at + 1, None)(EVENT)
    assert not in_period(None, at)(EVENT)
    assert in_period(None, None)(EVENT)


def test_a_line_is_asked_in_a_query_and_a_period() -> None:
    """A raw line passes if it matches and lies in the period; spans are counted back from `now`."""
    line = orjson.dumps(EVENT)
    now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert line_filter("ada", since="1h", until="2026-11-24", now=now)(line)
    assert not line_filter("ada", since="10m", now=now)(line)
    assert not line_filter("nope", since="1h", now=now)(line)


def test_bytes_that_are_no_event_do_not_match() -> None:
    """A torn or foreign line is passed over; a query that cannot be read is refused at once."""
    matches = line_filter("")
    assert not any(map(matches, (b"", b'{"seq":1', b"[]", b"\xff")))
    with pytest.raises(QueryError):
        line_filter("(")


def texts_of_udhr() -> list[str]:
    if not UDHR.exists():
        pytest.skip("the data of 16 languages is not here")
    with gzip.open(UDHR, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def figures() -> list[tuple[str, int]]:
    path = DATA / "FIGURES.tsv"
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if "grep -c -F" in line]
    return [(row[1].split()[2], int(row[2])) for row in rows]


UNSPACED = {"自由", "権利", "자유", "สิทธิ"}


@pytest.mark.parametrize(("word", "paragraphs"), figures())
def test_sixteen_languages_are_found_as_often_as_they_stand(word: str, paragraphs: int) -> None:
    """In unspaced scripts a word is found in each paragraph that has it as a substring, and in no other;
    elsewhere in each where `grep -iw` finds it."""
    texts = texts_of_udhr()
    matches = compile_filter(parse(word))
    found = {number for number, text in enumerate(texts, 1) if matches({"message": text})}
    assert found >= grepped(word, texts)
    if word in UNSPACED:
        assert len(found) == paragraphs == sum(word in text for text in texts)


def grepped(word: str, texts: list[str]) -> set[int]:
    """The numbers of the texts, from 1 on, in which grep finds the word."""
    grep = shutil.which("grep")
    if grep is None:
        pytest.skip("there is no grep here")
    done = subprocess.run(
        [grep, "-n", "-a", "-i", "-w", "-F", "-e", word],
        input="".join(f"{text}\n" for text in texts).encode(),
        capture_output=True,
        env={"LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert done.returncode < 2, done.stderr
    return {int(line.split(b":")[0]) for line in done.stdout.split(b"\n") if line}


def test_no_word_of_sixteen_languages_is_missed() -> None:
    """Any word of the texts, cut at white space, is found wherever `grep -iw` finds it."""
    texts = texts_of_udhr()
    forms = [canonical(text) for text in texts]
    every = sorted({word.strip(".,;:()«»\"'") for text in texts for word in text.split()} - {""})
    for word in every[:: len(every) // 300]:
        wanted = needles(word)
        found = {number for number, form in enumerate(forms, 1) if any(needle in form for needle in wanted)}
        assert grepped(word, texts) <= found, word
