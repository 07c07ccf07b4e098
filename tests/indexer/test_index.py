"""The front: pages, cursors, freshness, and right answers whatever state the index is in."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import Expected, walk
from shards import TINY, catalog, days, lose, path_of, shard_by_shard
from stonelog.filestore import StonelogError, Store
from stonelog.indexer import Builder, Index, IndexUnavailable, QueryError, handle, kept
from stonelog.indexer.catalog import catalog_file
from stonelog.indexer.planning import Sizes

UNUSABLE = "cannot be used"


@pytest.fixture(params=["indexed", "partly", "bare", "scan", "shards", "gaps"])
def index(request: pytest.FixtureRequest, store: Store, directory: Path):
    """Fifteen events, seen through the index, partly through it, without one, and told not to look; through many shards
    and an active one, and with gaps between them."""
    with Index.open(directory, scan=request.param == "scan") as index:
        if request.param == "partly":
            index.catch_up()
        store.append_many([{"category": "api", "action": "read", "username": "ada", "message": "late"}] * 5)
        if request.param in ("indexed", "scan"):
            index.catch_up()
        if request.param in ("shards", "gaps"):
            shard_by_shard(directory)
        if request.param == "gaps":
            lose(directory, 1)
        yield index


def rewrite(directory: Path, statement: str) -> None:
    """Every shard of the index is changed so, by another hand."""
    for shard in catalog(directory).shards:
        path = path_of(directory, shard.number)
        path.chmod(0o600)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)


def test_newest_first(index: Index) -> None:
    """Pages run from the newest event back, or with `asc` forward, each event once."""
    assert [event.seq for event in index.search(limit=3).events] == [15, 14, 13]
    assert [event.seq for event in index.search(limit=3, order="asc").events] == [1, 2, 3]
    for limit in (1, 2, 7, 10, 14, 15, 16, 1000):
        assert walk(index, limit=limit) == list(range(15, 0, -1))
        assert walk(index, limit=limit, order="asc") == list(range(1, 16))


def test_the_last_page_has_no_cursor(index: Index) -> None:
    """Even when it is full."""
    assert index.search(limit=15).next_cursor is None
    assert index.search(limit=14).next_cursor is not None
    assert index.search("nothing at all").next_cursor is None


def test_a_page_tells_how_far_the_index_went(store: Store, directory: Path) -> None:
    """`indexed_seq` is what the index covers, `durable_seq` what is on stable storage."""
    with Index.open(directory) as index:
        assert (index.search().indexed_seq, index.search().durable_seq) == (0, 10)
        index.catch_up()
        store.append(category="api", action="read")
        assert (index.search().indexed_seq, index.search().durable_seq) == (10, 11)
    with Index.open(directory, scan=True) as scanning:
        assert scanning.search().indexed_seq == 0


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_bounds_is_refused(index: Index, limit: int) -> None:
    """From 1 to 1000 events are given at a time."""
    with pytest.raises(QueryError, match="from 1 to 1000"):
        index.search(limit=limit)


def test_an_unknown_order_is_refused(index: Index) -> None:
    """There are two."""
    with pytest.raises(QueryError, match="order"):
        index.search(order="newest")  # type: ignore[arg-type]


def test_a_cursor_belongs_to_its_question(index: Index) -> None:
    """Another filter, another bound or another order refuses it; another limit does not."""
    cursor = index.search("ada", limit=2).next_cursor
    assert cursor is not None
    assert index.search("ada", limit=3, cursor=cursor).events
    for q, more in (("grace", {}), ("ada ", {}), ("ada", {"order": "asc"}), ("ada", {"since": "2026-11-01"})):
        with pytest.raises(QueryError, match="another filter or order"):
            index.search(q, limit=2, cursor=cursor, **more)
    with pytest.raises(QueryError, match="cursor"):
        index.search("ada", cursor="x" + cursor)


def test_a_cursor_keeps_its_place_while_events_come(store: Store, directory: Path) -> None:
    """New events, a catch-up and a rebuild between two pages neither repeat nor skip one."""
    with Index.open(directory) as index:
        first = index.search(limit=4)
        store.append(category="api", action="read")
        index.catch_up()
        second = index.search(limit=4, cursor=first.next_cursor)
        index.rebuild()
        shutil.rmtree(directory / "index")
        third = index.search(limit=4, cursor=second.next_cursor)
        assert [event.seq for page in (first, second, third) for event in page.events] == list(range(10, 0, -1))


def test_a_span_is_resolved_once_for_all_pages(directory: Path) -> None:
    """With since="24h" the later pages keep the first page's bounds, however long the reader takes."""
    with freeze_time("2026-11-23T12:00:00Z", tick=True) as clock, Store.open(directory, durability="none") as store:
        for hour in range(30):
            at = datetime(2026, 11, 22, 7, tzinfo=UTC) + timedelta(hours=hour)
            store.append(category="api", action="read", time=at.isoformat(), message=f"hour {hour}")
        for catch_up in (False, True):
            with Index.open(directory) as index:
                if catch_up:
                    index.catch_up()
                fresh = walk(index, since="24h", until="0s", limit=100)
                first = index.search(since="24h", until="0s", limit=5)
                clock.tick(timedelta(hours=3))
                rest = index.search(since="24h", until="0s", limit=100, cursor=first.next_cursor)
                assert [event.seq for page in (first, rest) for event in page.events] == fresh
                assert walk(index, since="24h", until="0s", limit=100) != fresh
                assert rest.next_cursor is None


def test_no_store(tmp_path: Path) -> None:
    """Asking where there is no store finds nothing and makes nothing."""
    with Index.open(tmp_path / "nowhere") as index:
        assert index.search().events == []
        assert index.count() == 0
        assert index.get(1) is None
        assert index.facets("", ["level"]) == {"level": []}
        assert index.histogram() == []
        assert index.stats().events == 0
        assert index.status().state == "absent"
    assert not (tmp_path / "nowhere").exists()


def test_status(store: Store, directory: Path) -> None:
    """`absent`, `ok`, `behind` with the bytes, and `unusable` with the reason; then `ok` again."""
    with Index.open(directory) as index:
        size = next((directory / "events").iterdir()).stat().st_size
        assert (index.status().state, index.status().behind_bytes) == ("absent", size)
        index.catch_up()
        assert index.status() == type(index.status())(10, 10, 10, 0, "ok", shards=1)
        receipt = store.append(category="api", action="read")
        found = index.status()
        assert (found.state, found.indexed_seq, found.last_seq) == ("behind", 10, 11)
        assert (found.gaps, found.behind_events) == (1, 1)
        size = next((directory / "events").iterdir()).stat().st_size
        assert 0 < found.behind_bytes <= 2 * (size - receipt.offset)
        index.close()
        path_of(directory, 1).write_bytes(b"no database" * 1000)
        assert index.status().state.startswith("unusable: file is not a database")
        index.catch_up()
        assert index.status().state == "ok"


def test_status_tells_of_gaps(store: Store, directory: Path) -> None:
    """What is indexed behind a gap counts, and up to where there is none."""
    shard_by_shard(directory)
    lose(directory, 1)
    with Index.open(directory) as index:
        found = index.status()
        assert (found.state, found.indexed_seq, found.last_seq) == ("behind", 4, 10)
        assert (found.shards, found.gaps, found.behind_events) == (2, 1, 4)
        assert index.search().indexed_seq == 4


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


def test_another_stores_index_is_not_believed(store: Store, directory: Path, tmp_path: Path) -> None:
    """F53: a copied index tells of other lines; it is not asked, and the next catch-up replaces it."""
    other = tmp_path / "other"
    with Store.open(other, durability="none") as another, Index.open(other) as index:
        another.append_many([{"category": "api", "action": "read", "username": "ada"}] * 10)
        index.catch_up()
    shutil.copytree(other / "index", directory / "index")
    with Index.open(directory) as index:
        assert index.count("username:ada") == 5
        assert index.catch_up() == 10
        assert index.status().state == "ok"
        assert index.count("username:ada") == 5


def test_ghosts_are_not_counted(store: Store, directory: Path) -> None:
    """F53: files cut behind an open index: the very next count is that of the files."""
    with Index.open(directory) as index:
        index.catch_up()
        assert index.count() == 10
        store.close()
        segment = next((directory / "events").iterdir())
        os.truncate(segment, sum(map(len, segment.read_bytes().splitlines(keepends=True)[:7])))
        assert index.count() == 7
        with Store.open(directory, durability="none") as again:
            again.append_many([{"category": "api", "action": "read", "message": "new"}] * 5)
            assert index.count() == 12
            assert [event.seq for event in index.search("new").events] == [12, 11, 10, 9, 8]


def test_a_lost_day_is_not_counted(directory: Path) -> None:
    """A segment that was removed takes its events out of every answer."""
    with (
        freeze_time("2026-11-23T12:00:00Z", tick=True) as clock,
        Store.open(directory, durability="none") as store,
        Index.open(directory) as index,
    ):
        store.append_many([{"category": "api", "action": "read"}] * 3)
        clock.tick(86_400)
        store.append_many([{"category": "api", "action": "read"}] * 2)
        index.catch_up()
        assert index.count() == 5
        (directory / "events" / "2026-11-23.jsonl").unlink()
        assert index.count() == 2
        assert walk(index) == [5, 4]
        assert index.catch_up() == 5
        assert index.count() == 2


def test_an_index_is_gone_over_to_when_it_appears(store: Store, directory: Path) -> None:
    """An Index that was opened before there was an index file uses it as soon as it is there."""
    with Index.open(directory) as index:
        assert index.search().indexed_seq == 0
        builder = Builder(directory)
        builder.catch_up()
        assert index.search().indexed_seq == 10
        builder.rebuild()
        builder.close()
        assert index.search().indexed_seq == 10


def test_catching_up_where_it_cannot_be(tmp_path: Path) -> None:
    """Indexing without a store is IndexUnavailable."""
    with Index.open(tmp_path / "nowhere") as index, pytest.raises(IndexUnavailable):
        index.catch_up()


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv to become nobody"
)
@pytest.mark.parametrize("state", ["closed", "killed", "bare"])
def test_a_read_only_directory(tmp_path: Path, state: str) -> None:
    """F41: who may read but not write gets all answers; catching up is IndexUnavailable."""
    # pytest's own folders are closed to others.
    import tempfile

    with tempfile.TemporaryDirectory() as parent:
        directory = Path(parent) / "store"
        with Store.open(directory, durability="none") as store:
            store.append_many([{"category": "api", "action": "read", "message": "here"}] * 3)
            index = Index.open(directory)
            if state != "bare":
                index.catch_up()
            if state == "closed":
                index.close()
            store.append(category="api", action="read", message="here")
        copy = Path(parent) / "copy"
        shutil.copytree(directory, copy)
        index.close()
        for file in (Path(parent), *copy.rglob("*"), copy):
            os.chown(file, 65534, 65534)
            file.chmod(0o500 if file.is_dir() else 0o400)
        script = """if True:
            import sys
            from stonelog.indexer import Index, IndexUnavailable
            with Index.open(sys.argv[1]) as index:
                print(index.count("here"), len(index.search("here").events), index.status().indexed_seq)
                try:
                    index.catch_up()
                except IndexUnavailable as error:
                    print("unavailable")
        """
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = subprocess.run(
            [*command, sys.executable, "-c", script, copy], capture_output=True, text=True, env=environment, timeout=60
        )
        if "Permission denied" in done.stderr and "python" in done.stderr:
            pytest.skip("this Python cannot be run by another user")
        assert done.stdout.split() == ["4", "4", {"bare": "0"}.get(state, "3"), "unavailable"], done.stderr


def test_an_active_shard_in_a_read_only_directory_is_followed(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened as a file that nobody writes, it is opened anew as soon as somebody does."""
    builder = Builder(directory)
    builder.catch_up()
    builder.close()
    monkeypatch.setattr("stonelog.indexer.schema.os.access", lambda *_: False)
    with Index.open(directory) as index:
        assert (index.count("ada"), index.search().indexed_seq) == (5, 10)
        for number in range(1, 60):
            store.append_many([{"category": "api", "action": "read", "username": "ada", "message": f"m{number}"}] * 20)
            builder.catch_up()
            if number % 20 == 0:
                builder.close()
            assert index.count("ada") == 5 + 20 * number
            assert index.count(f"m{number}") == 20
            assert index.search().indexed_seq == 10 + 20 * number
    builder.close()


def test_another_index_under_the_same_numbers_is_another(directory: Path) -> None:
    """Deleted and made again in other shapes, shards have the numbers of others that an Index has open."""
    days(directory, 100)
    with Index.open(directory) as index:
        for sizes in (TINY, Sizes(block=4, shard=8), Sizes(), TINY):
            shard_by_shard(directory, sizes)
            for number in (1, 7, 50, 100):
                assert walk(index, f"m{number}") == [number]
                assert index.count(f"message:m{number} OR seq:3") == 2
            assert index.search().indexed_seq == 100
            shutil.rmtree(directory / "index")


def test_more_shards_than_may_be_open(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are closed meanwhile are opened again, within an answer and between two."""
    monkeypatch.setattr(handle, "_OPEN_SHARDS", 2)
    monkeypatch.setattr(kept, "_LARGE", 1)
    days(directory, 30, 30)
    shard_by_shard(directory)
    with Index.open(directory) as index, Index.open(directory, scan=True) as scanning:
        for _ in range(2):
            assert walk(index, "level:info") == walk(scanning, "level:info")
            assert index.stats() == scanning.stats()
            assert index.stats("NOT m7") == scanning.stats("NOT m7")
            assert index.facets("", ["category", "message"]) == scanning.facets("", ["category", "message"])
            assert index.histogram("m*", by="level") == scanning.histogram("m*", by="level")
        assert index.search().indexed_seq == 60
        assert not list((directory / "index").glob("*.bad"))


@pytest.mark.parametrize("sizes", [TINY, Sizes()])
def test_an_index_follows_a_builder(store: Store, directory: Path, sizes: Sizes) -> None:
    """Whatever shards come, are sealed or become one while an Index is open, the next answer is the right one."""
    builder = Builder(directory, sizes=sizes)
    builder.catch_up()
    with Index.open(directory) as index:
        assert (index.count("ada"), index.search().indexed_seq) == (5, 10)
        for number in range(1, 40):
            store.append_many([{"category": "api", "action": "read", "username": "ada", "message": f"m{number}"}] * 3)
            if number % 7:
                builder.catch_up()
            if number % 20 == 0:
                builder.close()
            assert index.count("ada") == 5 + 3 * number
            assert index.count(f"m{number}") == 3
            assert index.facets("ada", ["username"]) == {"username": [("ada", 5 + 3 * number)]}
            assert index.search().indexed_seq == (10 + 3 * number if number % 7 else 7 + 3 * number)
    builder.close()


WORDS = [
    "NEAR",
    "NEAR(",
    "AND",
    "OR",
    "NOT",
    '"',
    "'",
    "*",
    "^",
    ":",
    "-",
    "+",
    "{",
    "}",
    "(",
    ")",
    "\0",
    "\\",
    ";",
    "--",
    ",",
]
PIECES = st.sampled_from(
    [*WORDS, "t", "terms", "rowid", "rank", "ada", "number", "username", "a b", "%", "_", "]", "[", "1", "é", "自由"]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=12), st.sampled_from(["", " "]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_reaches_sql(
    shared: tuple[Index, Index], caplog: pytest.LogCaptureFixture, pieces: list[str], glue: str
) -> None:
    """S6: whatever a query holds, it is understood or refused as a query; SQLite never sees its text as SQL or FTS5."""
    index, scanning = shared
    q = glue.join(pieces)
    try:
        expected = scanning.count(q)
    except QueryError:
        with pytest.raises(QueryError):
            index.count(q)
        return
    assert index.count(q) == expected
    assert len(index.search(q, limit=100).events) == expected
    assert UNUSABLE not in caplog.text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    """One store for all examples, fully indexed, and its scan."""
    directory = tmp_path_factory.mktemp("shared")
    texts = ["ada NEAR number", "a b c", 'say "hi"', "x:y (z)", "nul\0byte", "it's -- ; DROP TABLE events", "自由 é"]
    with Store.open(directory, durability="none") as store:
        store.append_many({"category": "api", "action": "read", "message": text, "username": text} for text in texts)
    with Index.open(directory) as index, Index.open(directory, scan=True) as scanning:
        index.catch_up()
        yield index, scanning


@pytest.mark.parametrize(
    "q",
    [
        *(
            "NEAR(ada number, 5)",
            "username: ada",
            '"NEAR" number',
            "t:ada",
            "{t}: ada",
            "^ada",
            "ada + number",
            "rowid:1",
        ),
        *("ada*", '"ada"*', "'ada'", "ada;", "nul\0byte", '"nul\0byte"', "message:\0", "\0", '"', "%", "a_b"),
        *("username:'' OR 1=1", "x' OR '1'='1", 'metadata.":1', 'metadata.\\":1', "metadata.a\\'b:*", "terms:ada"),
        *(
            "(" * 40 + "ada" + ")" * 40,
            " OR ".join(f"w{n}" for n in range(900)),
            " ".join(f"-w{n}" for n in range(300)),
        ),
        *("message:>ada", "username:[a TO z]", "-(-(ada))", "NOT (ada OR NOT number)", "ada " * 200),
    ],
)
def test_syntax_of_others_is_text(shared: tuple[Index, Index], caplog: pytest.LogCaptureFixture, q: str) -> None:
    """FTS5's and SQL's own syntax means nothing here: an answer equal to the scan's, or a QueryError."""
    index, scanning = shared
    try:
        assert walk(index, q) == walk(scanning, q)
        assert index.count(q) == scanning.count(q)
    except QueryError as error:
        assert 0 <= error.position <= len(q)
    assert UNUSABLE not in caplog.text


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
