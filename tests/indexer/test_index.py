"""The front: pages, cursors, freshness, and right answers whatever state the index is in."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from freezegun import freeze_time

from answers import walk
from shards import TINY, days, lose, path_of, shard_by_shard
from stonelog.filestore import Store
from stonelog.indexer import Builder, Index, IndexUnavailable, QueryError, handle, kept
from stonelog.indexer.opened import Shard
from stonelog.indexer.planning import Sizes
from stonelog.indexer.trust import Coverage, Trust
from stonelog.indexer.view import View

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


def rebuilt(directory: Path) -> None:
    with closing(Builder(directory, sizes=Sizes(block=2, shard=8))) as builder:
        builder.rebuild(workers=1)


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


@pytest.mark.parametrize("moment", ["the shards are known", "a shard was opened"])
@pytest.mark.parametrize("question", ["count", "status", "search"])
def test_shards_that_take_the_place_of_others_meanwhile_cost_no_scan(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moment: str, question: str
) -> None:
    """The active one that is sealed just then, and all of them made anew: the answer is begun again."""
    days(directory, 13)
    shard_by_shard(directory, Sizes(block=4, shard=16))
    changes = [partial(shard_by_shard, directory, Sizes(block=4, shard=4)), partial(rebuilt, directory)]
    look, begin = Trust.look, Shard.begin

    def changed(result: Coverage | None) -> Coverage | None:
        if changes:
            changes.pop(0)()
        return result

    monkeypatch.setattr(View, "_scan", lambda *args: iter(()))
    if moment == "the shards are known":
        monkeypatch.setattr(Trust, "look", lambda self, fetch, names: changed(look(self, fetch, names)))
    else:
        monkeypatch.setattr(Shard, "begin", lambda self: changed(begin(self)))
    with Index.open(directory) as index:
        for _ in range(3):
            if question == "status":
                assert (index.status().indexed_seq, index.status().gaps) == (13, 0)
            elif question == "count":
                assert index.count("category:api") == 13
            else:
                assert len(index.search("category:api").lines) == 13
    assert not caplog.records
    assert len(changes) < 2 or (question, moment) == ("status", "a shard was opened")  # it opens them otherwise
