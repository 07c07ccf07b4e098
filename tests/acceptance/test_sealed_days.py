"""Sealed days stay readable without stonelog: the tools of the trade find in them what they found in the plain ones."""

import gzip
import json
import subprocess
from datetime import timedelta
from hashlib import sha256
from shutil import which

import pytest
from freezegun import freeze_time

from stonelog.filestore import Store

EVENTS = 3000  # of each of two days: more than one frame


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Two plain days and a third that goes on; every third event is a failed login."""
    directory = tmp_path_factory.mktemp("plain") / "store"
    with freeze_time("2026-11-20T12:00Z") as clock, Store.open(directory) as store:
        for day in range(3):
            store.append_many(
                {
                    "category": "authentication",
                    "action": "login_failed" if number % 3 == 0 else "login",
                    "username": f"user{number % 50}",
                    "metadata": {"padding": "of a line " * 25},
                    "message": f"Größe 大小 number {number} of day {day}",
                }
                for number in range(EVENTS)
            )
            clock.tick(timedelta(days=1))
    return directory


@pytest.fixture(params=["gzip", "zstd"])
def sealed(request, plain, tmp_path, monkeypatch):
    """The same store with its first two days sealed, and the codec's suffix."""
    monkeypatch.setenv("STONELOG_SEAL_CODEC", request.param)
    directory = tmp_path / "store"
    subprocess.run(["cp", "-r", plain, directory], check=True)
    with freeze_time("2026-11-22T13:00Z"), Store.open(directory) as store:
        manifests = store.upkeep.seal()
        assert len(manifests) == 2
        assert all(len(manifest.frames) > 1 for manifest in manifests)
    return directory / "events", {"gzip": "gz", "zstd": "zst"}[request.param]


@pytest.fixture
def run(sealed):
    """What a shell command prints in the folder of the events; skips if its tool is not installed."""

    def run(tool, pipeline, *, only=None):
        if only is not None and sealed[1] != only:
            pytest.skip(f"{tool} reads only .{only}")
        if which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        done = subprocess.run(["sh", "-c", pipeline], cwd=sealed[0], capture_output=True, text=True)
        return done.stdout

    return run


def both(plain):
    """The bytes of the two days as they were."""
    return b"".join((plain / "events" / f"2026-11-{day}.jsonl").read_bytes() for day in (20, 21))


def test_zcat(run, plain):
    """All bytes, to the last, as they were."""
    digest = run("zcat", "zcat *.gz | sha256sum", only="gz").split()[0]
    assert digest == sha256(both(plain)).hexdigest()


def test_zgrep(run):
    """Counts and lines of each day."""
    assert run("zgrep", "zgrep -c login_failed *.gz", only="gz").splitlines() == [
        "2026-11-20.jsonl.gz:1000",
        "2026-11-21.jsonl.gz:1000",
    ]
    assert json.loads(run("zgrep", "zgrep -h '\"seq\":3001,' *.gz", only="gz"))["message"].endswith("number 0 of day 1")


def test_zstd(run, plain):
    """`zstd -dc` gives all bytes, and takes the archive for sound."""
    assert run("zstd", "zstd -qdc *.zst | wc -c", only="zst").split() == [str(len(both(plain)))]
    assert run("zstd", "zstd -qt *.zst && echo sound", only="zst") == "sound\n"


def test_zstdgrep(run):
    """Counts of each day."""
    found = run("zstdgrep", "for f in *.zst; do zstdgrep -c login_failed $f; done", only="zst")
    assert [line.rpartition(":")[2] for line in found.split()] == ["1000", "1000"]


def test_ripgrep(run, sealed):
    """`rg -z` reads either."""
    if which("zstd" if sealed[1] == "zst" else "gzip") is None:
        pytest.skip("rg needs the codec's tool")
    assert run("rg", "rg -z -c --sort path --no-ignore login_failed .").splitlines() == [
        f"./2026-11-20.jsonl.{sealed[1]}:1000",
        f"./2026-11-21.jsonl.{sealed[1]}:1000",
        "./2026-11-22.jsonl:1000",
    ]


def test_jq(run, sealed):
    """Behind `zcat` or `zstdcat`, with its own count of users."""
    cat = "zcat *.gz" if sealed[1] == "gz" else "zstd -qdc *.zst"
    pipeline = f"{cat} | jq -rs '[.[] | select(.action == \"login_failed\") | .username] | unique | length'"
    assert run("jq", pipeline) == "50\n"


def test_lnav(run, sealed):
    """All lines of each day, as a text file is read."""
    if sealed[1] == "zst":
        pytest.skip("lnav reads no .zst in the versions at hand")
    assert run("lnav", "for day in *.gz; do HOME=$PWD lnav -n -N $day; done | wc -l").split() == [str(2 * EVENTS)]


def test_python(sealed, plain):
    """The standard library opens the archive as one file."""
    events, suffix = sealed
    if suffix == "gz":
        data = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(events.glob("*.gz")))
    else:
        zstd = pytest.importorskip("backports.zstd")
        data = b""
        for path in sorted(events.glob("*.zst")):
            with zstd.open(path) as file:
                data += file.read()
    assert data == both(plain)


def test_another_reader_of_the_seekable_format(sealed, plain):
    """It finds the frames by the seek table, and reads from the middle."""
    indexed = pytest.importorskip("indexed_zstd")
    if sealed[1] != "zst":
        pytest.skip("zstd only")
    data = (plain / "events" / "2026-11-20.jsonl").read_bytes()
    with indexed.IndexedZstdFile(str(sealed[0] / "2026-11-20.jsonl.zst")) as file:
        for offset in (len(data) // 2, 0, len(data) - 100):
            file.seek(offset)
            assert file.read(100) == data[offset : offset + 100]


def test_duckdb(sealed):
    """`read_json` over the folder counts by action, in archives and the plain day alike."""
    duckdb = pytest.importorskip("duckdb")
    query = "select action, count(*) from read_json(?, union_by_name = true) group by action order by action"
    wanted = [str(sealed[0] / pattern) for pattern in (f"*.jsonl.{sealed[1]}", "*.jsonl")]
    found = dict(duckdb.execute(query, [wanted]).fetchall())
    assert (found["login"], found["login_failed"]) == (6000, 3000)


def test_polars(sealed):
    """`read_ndjson` opens either by itself."""
    polars = pytest.importorskip("polars")
    for day in (20, 21):
        frame = polars.read_ndjson(sealed[0] / f"2026-11-{day}.jsonl.{sealed[1]}")
        assert frame.height == EVENTS
        assert frame.filter(polars.col("action") == "login_failed").height == 1000
