"""The front: pages, cursors, freshness, and right answers whatever state the index is in."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import Expected, walk
from stonelog.filestore import StonelogError, Store
from stonelog.indexer import Builder, Index, IndexUnavailable, QueryError
from stonelog.indexer import schema as schema_module

UNUSABLE = "cannot be used"


@pytest.fixture(params=["indexed", "partly", "bare", "scan"])
def index(request: pytest.FixtureRequest, store: Store, directory: Path):
    """Fifteen events, seen through the index, partly through it, without one, and told not to look."""
    with Index.open(directory, scan=request.param == "scan") as index:
        if request.param == "partly":
            index.catch_up()
        store.append_many([{"category": "api", "action": "read", "username": "ada", "message": "late"}] * 5)
        if request.param in ("indexed", "scan"):
            index.catch_up()
        yield index


@pytest.fixture
def path(directory: Path) -> Path:
    return directory / "index" / "events.sqlite"


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


def test_status(store: Store, directory: Path, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`absent`, `ok`, `behind` with the bytes, and `unusable` with the reason; then `ok` again."""
    with Index.open(directory) as index:
        size = next((directory / "events").iterdir()).stat().st_size
        assert (index.status().state, index.status().behind_bytes) == ("absent", size)
        index.catch_up()
        assert index.status() == type(index.status())(10, 10, 10, 0, "ok")
        receipt = store.append(category="api", action="read")
        found = index.status()
        assert (found.state, found.indexed_seq, found.last_seq) == ("behind", 10, 11)
        assert found.behind_bytes == next((directory / "events").iterdir()).stat().st_size - receipt.offset
        index.close()
        path.write_bytes(b"no database" * 1000)
        assert index.status().state.startswith("unusable: file is not a database")
        index.catch_up()
        assert index.status().state == "ok"
    assert caplog.text.count(UNUSABLE) == 1


@pytest.mark.parametrize("table", ["position", "events", "terms", "segments", "vocabulary"])
def test_status_and_answers_without_a_table(store: Store, directory: Path, path: Path, table: str) -> None:
    """An index that lacks a table is no reason for a wrong answer or an error of SQLite."""
    with Index.open(directory) as index:
        index.catch_up()
        with sqlite3.connect(path) as connection:
            connection.execute(f"DROP TABLE {table}")
        connection.close()
        index.status()
        assert index.count("ada") == 5
        assert index.facets("", ["username"]) == {"username": [("ada", 5), ("grace", 5)]}
        assert len(index.search("ada").events) == 5
        assert [count for _, count in index.histogram("ada", step="1d")] == [5]


def test_damaged_values_are_not_believed(store: Store, directory: Path, path: Path) -> None:
    """NULL and text in the place of numbers lead to a scan."""
    with Index.open(directory) as index:
        index.catch_up()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE events SET time = 'x', offset = 'y', length = NULL")
        connection.close()
        assert [count for _, count in index.histogram("", step="1d")] == [10]
        assert len(index.search("number").events) == 10


def test_trouble_is_logged_once(store: Store, directory: Path, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log line each query would bury the reason."""
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with Index.open(directory) as index:
        for _ in range(5):
            assert index.count() == 10
    assert caplog.text.count(UNUSABLE) == 1


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


def test_ghosts_are_not_counted(store: Store, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
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
    assert UNUSABLE in caplog.text


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


def test_a_writer_that_comes_to_a_read_only_directory(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened as a file that nobody writes, the index is opened anew as soon as somebody does."""
    builder = Builder(directory)
    builder.catch_up()
    builder.close()
    monkeypatch.setattr(schema_module.os, "access", lambda *_: False)
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


def test_random_damage_raises_nothing_of_sqlite(store: Store, directory: Path, path: Path) -> None:
    """F52: with any page of the index overwritten, questions and catching up raise nothing but errors of ours."""
    with Index.open(directory) as index:
        index.catch_up()
    whole = path.read_bytes()
    for seed in range(60):
        dice = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 3, 50])):
            at = dice.randrange(len(damaged))
            damaged[at : at + 8] = dice.randbytes(8)
        shutil.rmtree(path.parent)
        path.parent.mkdir(0o700)
        path.write_bytes(damaged)
        with Index.open(directory) as index:
            try:
                index.count("ada")
                index.facets("", ["username", "level", "metadata.number"])
                index.histogram("", step="1d")
                index.search("number -grace")
                index.status()
                index.catch_up()
            except StonelogError:
                pass
            assert index.rebuild() == 10
            assert index.count("ada") == len(Expected(directory, "ada").events) == 5
