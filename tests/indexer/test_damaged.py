"""Answers stay right whatever stands in the files of the index: other tables, other values, other bytes."""

import random
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

from answers import Expected, walk
from shards import TINY, catalog, path_of, shard_by_shard
from stonelog.filestore import StonelogError, Store
from stonelog.indexer import Index
from stonelog.indexer.catalog import catalog_file
from stonelog.indexer.planning import Sizes

UNUSABLE = "cannot be used"


def rewrite(directory: Path, statement: str) -> None:
    """Every shard of the index is changed so, by another hand."""
    for shard in catalog(directory).shards:
        path = path_of(directory, shard.number)
        path.chmod(0o600)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)


@pytest.mark.parametrize("sizes", [TINY, Sizes()])
@pytest.mark.parametrize("table", ["position", "segments", "fields", "blocks", "places", "terms", "rollups"])
def test_status_and_answers_without_a_table(store: Store, directory: Path, table: str, sizes: Sizes) -> None:
    """Shards that lack a table are no reason for a wrong answer or an error of SQLite."""
    with Index.open(directory) as index:
        shard_by_shard(directory, sizes)
        rewrite(directory, f"DROP TABLE {table}")
        index.status()
        assert index.count("ada") == 5
        assert index.facets("", ["username"]) == {"username": [("ada", 5), ("grace", 5)]}
        assert len(index.search("ada").events) == 5
        assert [count for _, count in index.histogram("ada", step="1d")] == [5]
        assert index.stats("").users == 2


@pytest.mark.parametrize("sizes", [TINY, Sizes()])
@pytest.mark.parametrize(
    "change",
    [
        "places SET first_time = 'x', \"offset\" = 'y', ends = NULL",
        "places SET times = 'x'",
        "blocks SET first_time = NULL, last_seq = 'x'",
        "blocks SET facts = '[]'",
        "terms SET rows = 5, counts = 'x'",
        "fields SET name = 7",
        "segments SET name = 7",
        "position SET seq = 'x'",
        "rollups SET start = 'x'",
        "rollups SET start = start - 86400000000",
        "places SET row = row + 1 WHERE row = 0",
    ],
)
def test_damaged_values_are_not_believed(store: Store, directory: Path, change: str, sizes: Sizes) -> None:
    """NULL and text in the place of numbers lead to a scan."""
    with Index.open(directory) as index:
        shard_by_shard(directory, sizes)
        rewrite(directory, f"UPDATE {change}")
        assert [count for _, count in index.histogram("", step="1d")] == [10]
        assert len(index.search("number").events) == 10
        assert index.count("ada") == 5
        assert index.facets("", ["username"]) == {"username": [("ada", 5), ("grace", 5)]}
        index.catch_up()
        assert not list((directory / "index").glob("*.bad"))
        assert index.status().state == "ok"
        assert index.count("ada") == 5


def test_trouble_is_logged_once(store: Store, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log line each query would bury the reason."""
    shard_by_shard(directory)
    catalog_file(directory / "index").write_bytes(b"no catalog")
    with Index.open(directory) as index:
        for _ in range(5):
            assert index.count() == 10
    assert caplog.text.count(UNUSABLE) == 1


def test_a_damaged_shard_is_logged_once_and_made_anew(
    store: Store, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """F52: what it covered is scanned, the others are asked; the next pass makes it again."""
    shard_by_shard(directory)
    damaged = catalog(directory).sealed[1]
    path = path_of(directory, damaged.number)
    path.chmod(0o600)
    path.write_bytes(bytes(damaged.size))
    with Index.open(directory) as index:
        for _ in range(3):
            assert index.count("ada") == 5
            assert walk(index, "ada") == [10, 8, 6, 4, 2]
            assert index.search("ada").indexed_seq == 4
        assert caplog.text.count("is damaged") == 1
        shard_by_shard(directory)
        assert index.search("ada").indexed_seq == 10
        assert index.count("ada") == 5
    assert caplog.text.count("is damaged") == 1


def answers(index: Index) -> list[object]:
    """What is asked of a damaged index, with its answers."""
    return [
        *(index.count(q) for q in ("", "ada", "-grace", "metadata.number:>=7", "number*", '"number 7"', "level:info")),
        index.facets("", ["username", "level", "metadata.number"]),
        index.facets("number", ["username"], since="2026-11-23T03:00:00Z"),
        index.histogram("", step="1d"),
        index.histogram("ada", step="1h", by="username"),
        [event.seq for event in index.search("number -grace").events],
        index.stats(),
        index.stats("ada"),
    ]


def put_back(directory: Path, files: Mapping[str, bytes]) -> None:
    """The index consists of these files."""
    shutil.rmtree(directory / "index")
    (directory / "index").mkdir(0o700)
    for name, data in files.items():
        (directory / "index" / name).write_bytes(data)


def damage(directory: Path, whole: dict[str, bytes], seed: int) -> None:
    """The index is as it was, but for a few bytes somewhere in its files."""
    dice = random.Random(seed)
    damaged = {name: bytearray(data) for name, data in whole.items()}
    for _ in range(dice.choice([1, 3, 50])):
        data = damaged[dice.choice(sorted(damaged))]
        at = dice.randrange(len(data))
        data[at : at + 8] = dice.randbytes(len(data[at : at + 8]))
    put_back(directory, damaged)


@pytest.mark.parametrize("sizes", [TINY, Sizes()])
def test_random_damage_raises_nothing_of_sqlite(store: Store, directory: Path, sizes: Sizes) -> None:
    """F52: with any bytes of the index overwritten, questions and catching up raise nothing but errors of ours."""
    shard_by_shard(directory, sizes)
    whole = {path.name: path.read_bytes() for path in (directory / "index").iterdir()}
    for seed in range(40):
        damage(directory, whole, seed)
        with Index.open(directory) as index, suppress(StonelogError):
            answers(index)
            index.status()
            index.catch_up()
        with Index.open(directory) as index:
            assert index.rebuild() == 10
            assert index.count("ada") == len(Expected(directory, "ada").events) == 5


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM places WHERE id = 1",
        "DELETE FROM rollups WHERE id = 1",
        "UPDATE terms SET field = (SELECT id FROM fields WHERE name = 'username' AND kind = 'text')"
        " WHERE field = (SELECT id FROM fields WHERE name = 'session_id' AND kind = 'text')",
        "UPDATE terms SET block = 99 - block WHERE field = (SELECT id FROM fields WHERE name = '' AND kind = 'word')",
    ],
)
def test_F52_pieces_that_are_lost_or_elsewhere_are_found_out(store: Store, directory: Path, change: str) -> None:
    """F52: what counts, or reads all keys of a field, notices it; so does what comes upon a piece of another's."""
    store.append_many({"category": "api", "action": "read", "session_id": f"s{number}"} for number in range(50))
    shard_by_shard(directory, Sizes(block=30, shard=60))
    with Index.open(directory) as index, Index.open(directory, scan=True) as scanning:
        rewrite(directory, change)
        assert index.histogram("", step="1d") == scanning.histogram("", step="1d")
        assert index.histogram("level:info", step="1h") == scanning.histogram("level:info", step="1h")
        assert index.facets("", ["username"]) == scanning.facets("", ["username"])
        assert walk(index, "NOT s77") == walk(scanning, "NOT s77")


def blobs(path: Path) -> list[tuple[str, int, str]]:
    """Table, rowid and column of each piece of bytes, and of each number beside it that is not a key."""
    found = []
    with closing(sqlite3.connect(path)) as connection:
        for table in ("blocks", "places", "terms", "rollups"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for row in connection.execute(f"SELECT rowid, * FROM {table}"):
                found += [
                    (table, row[0], name)
                    for name, value in zip(columns, row[1:], strict=True)
                    if isinstance(value, bytes) and value
                ]
    return found


@pytest.mark.parametrize("sizes", [TINY, Sizes()])
def test_F52_a_flipped_bit_in_what_is_stored_is_found_out(store: Store, directory: Path, sizes: Sizes) -> None:
    """F52: each piece of bytes in a shard has a checksum: damaged, it is scanned for, and answers stay right."""
    store.append_many(
        {"category": "api", "action": "read", "username": f"u{n}", "message": "number"} for n in range(80)
    )
    shard_by_shard(directory, sizes)
    with Index.open(directory, scan=True) as scanning:
        right = answers(scanning)
    whole = {path.name: path.read_bytes() for path in (directory / "index").iterdir()}
    path = path_of(directory, catalog(directory).shards[0].number)
    places = blobs(path)
    for seed in range(60):
        dice = random.Random(seed)
        put_back(directory, whole)
        table, rowid, column = dice.choice(places)
        with closing(sqlite3.connect(path)) as connection, connection:
            (data,) = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
            flipped = bytearray(data)
            flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(flipped), rowid))
        with Index.open(directory) as index:
            assert answers(index) == right, (table, rowid, column)


def test_what_many_events_have_is_found_and_nothing_is_taken_for_damage(store: Store, directory: Path) -> None:
    """Keys of each kind that stand alone with a bitmap, because many events have them."""
    fields = {"yes": True, "whole": 7, "part": 0.5, "text": "x"}
    store.append_many([{"category": "api", "action": "many", "risk_score": 9, "metadata": fields}] * 100)
    with Index.open(directory) as index:
        index.catch_up()
        for q in ("metadata.yes:true", "metadata.whole:7", "metadata.part:0.5", "metadata.text:x", "risk_score:9"):
            assert index.count(q) == 100, q
        assert index.count("metadata.yes:false") == 0
        assert index.facets("action:many", ["metadata.yes"]) == {"metadata.yes": [("true", 100)]}
        assert not list((directory / "index").glob("*.bad"))


def test_a_hole_among_the_lines_is_no_event(store: Store, directory: Path) -> None:
    """A line that rotted before it was indexed is in no answer, of its `seq` neither."""
    store.close()
    segment = next((directory / "events").iterdir())
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"category"', b'"categorx"')
    segment.write_bytes(b"".join(lines))
    with Index.open(directory) as index:
        index.catch_up()
        assert index.count() == index.count("seq:>=1") == index.count("NOT seq:5") == 9
        assert index.count("seq:5") == 0
        assert walk(index) == [10, 9, 8, 7, 6, 4, 3, 2, 1]
