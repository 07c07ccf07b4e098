"""Lines that another hand wrote with a good hash: no events, or events with values that the store would not write."""

from pathlib import Path

import pytest

from shards import TINY, shard_by_shard
from stonelog.filestore.codec import seal_line, seq_of
from stonelog.indexer import Index
from stonelog.indexer.planning import Sizes

EVENT = (
    b'"id":"01940000-0000-7000-8000-000000000000","time":"2026-11-23T00:00:00.000000Z","level":"info","category":"api",'
)
NO_EVENTS = [
    b'"id":"x","level":"info","category":"api","message":"odd","username":"ada"',
    b'"time":null,"message":"odd"',
    b'"time":5,"message":"odd"',
    b'"time":"yesterday","message":"odd"',
    b'"time":"2026-13-23T00:00:00.000000Z","message":"odd"',
    b'"time":"2026-11-23T00:00:00","message":"odd"',
    b"odd",
    b'"message":"odd',
]
ODD_EVENTS = [
    b'"username":null',
    b'"username":5',
    b'"username":["ada"]',
    b'"username":{"ada":1},"message":"odd"',
    b'"message":5',
    b'"message":null,"username":"ada"',
    b'"ip_address":7',
    b'"ip_address":"nowhere"',
    b'"tags":null',
    b'"tags":"ada"',
    b'"tags":[1,"ada",null]',
    b'"tags":{"ada":1}',
    b'"metadata":null',
    b'"metadata":"ada"',
    b'"metadata":[{"a":1}]',
    b'"status_code":"200"',
    b'"status_code":200.5',
    b'"status_code":{"a":[1]}',
    b'"asn":99999999999999999999',
    b'"response_time_ms":-0.0',
    b'"response_time_ms":null',
    b'"no_field":5,"message":"odd"',
    b'"trace_id":true',
]
QUESTIONS = ["", "odd", "ada", "NOT ada", "username:ada", "NOT username:ada", "message:odd", "level:info", "tags:ada"]
QUESTIONS += [
    "metadata.a:1",
    "NOT metadata.a:1",
    "status_code:>=100",
    "status_code:200",
    "response_time_ms:<=0",
    "asn:>5",
]
FIELDS = [
    "level",
    "action",
    "username",
    "message",
    "tags",
    "ip_address",
    "status_code",
    "response_time_ms",
    "metadata.a",
]


def write(directory: Path, bodies: list[bytes]) -> None:
    """The lines of one day, with a good event before and behind each of them."""
    (directory / "events").mkdir(parents=True)
    lines = []
    for body in bodies:
        lines += [EVENT + b'"action":"read","username":"ada","message":"good"', body]
    lines.append(EVENT + b'"action":"read","message":"good"')
    sealed = [seal_line(body, seq, seq - 1) + b"\n" for seq, body in enumerate(lines, 1)]
    (directory / "events" / "2026-11-23.jsonl").write_bytes(b"".join(sealed))


def seqs(index: Index, q: str) -> list[int | None]:
    """Those of the lines that are found."""
    return [seq_of(line) for line in index.search(q, limit=1000).lines]


def answers(index: Index) -> list[object]:
    """What every way to ask gives."""
    found: list[object] = []
    for q in QUESTIONS:
        found += [(q, index.count(q)), seqs(index, q), index.histogram(q, step="1d"), index.stats(q)]
        found += [index.facets(q, FIELDS), index.count(q, since="2026-11-23", until="2026-11-24")]
    return found


def check(directory: Path, sizes: Sizes, count: int) -> None:
    """The index covers all, and answers as a scan does; there are so many events."""
    with Index.open(directory, scan=True) as scanning:
        expected = answers(scanning)
        assert scanning.count() == count
    shard_by_shard(directory, sizes)
    with Index.open(directory) as index:
        assert index.status().state == "ok"
        for found, right in zip(answers(index), expected, strict=True):
            assert found == right
        assert index.count("good") + index.count("action:odd") == count
        assert not list((directory / "index").glob("*.bad"))


@pytest.mark.parametrize("sizes", [Sizes(), TINY, Sizes(block=1, shard=4)])
@pytest.mark.parametrize("body", NO_EVENTS)
def test_what_has_no_time_is_no_event(tmp_path: Path, body: bytes, sizes: Sizes) -> None:
    """No answer has it, from the index or a scan, and it does not keep the index from what follows."""
    write(tmp_path, [body] * 9)
    check(tmp_path, sizes, 10)


def test_blocks_without_any_event(tmp_path: Path) -> None:
    """Many lines that are none leave no hole in what is covered."""
    (tmp_path / "events").mkdir()
    bodies = [b"odd"] * 20 + [EVENT + b'"action":"read","message":"good","username":"ada"'] + [b"odd"] * 20
    bodies += [EVENT + b'"action":"read","message":"good"']
    sealed = [seal_line(body, seq, seq - 1) + b"\n" for seq, body in enumerate(bodies, 1)]
    (tmp_path / "events" / "2026-11-23.jsonl").write_bytes(b"".join(sealed))
    check(tmp_path, TINY, 2)


@pytest.mark.parametrize("sizes", [Sizes(), TINY])
@pytest.mark.parametrize("more", ODD_EVENTS)
def test_a_value_that_no_event_has_spoils_no_answer(tmp_path: Path, more: bytes, sizes: Sizes) -> None:
    """It is taken for absent where it cannot be read, by the index as by a scan."""
    write(tmp_path, [EVENT + b'"action":"odd",' + more] * 3)
    check(tmp_path, sizes, 7)


def test_all_of_them_together(tmp_path: Path) -> None:
    """In one block, too."""
    bodies = [EVENT + b'"action":"odd",' + more for more in ODD_EVENTS]
    write(tmp_path, [body for pair in zip(bodies, NO_EVENTS * 3, strict=False) for body in pair])
    check(tmp_path, Sizes(), 3 * len(ODD_EVENTS) + 1)


@pytest.mark.parametrize("body", NO_EVENTS)
def test_an_event_is_found_by_its_id_among_them(tmp_path: Path, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search looks at lines that have none on its way."""
    monkeypatch.setattr("stonelog.indexer.find._NEAR", 1)
    good = EVENT.replace(b"000000000000", b"000000000007") + b'"action":"read"'
    write(tmp_path, [body, body, good, body])
    with Index.open(tmp_path) as index:
        found = index.get("01940000-0000-7000-8000-000000000007")
        assert found is not None
        assert found.seq == 6
