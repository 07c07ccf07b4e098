"""What an upkeep that was cut off left behind, made by hand: one form of each segment is kept, the right one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sealed import by_ten, events, lines, names, seal, seqs
from segments import lay
from stonelog.filestore import Codec, Store

SUFFIX = {"gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}


def half_sealed(directory: Path, codec: Codec) -> bytes:
    """The 20th stands plain and sealed; gives its plain bytes."""
    by_ten(directory, 2)
    plain = events(directory, 20, ".jsonl").read_bytes()
    seal(directory, 20, codec=codec)
    events(directory, 20, ".jsonl").write_bytes(plain)
    return plain


def spoil(path: Path, how: str) -> None:
    """The file becomes bad in one of several ways."""
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
    elif how == "longer":
        path.write_bytes(data + b"more")


HOW = ["good", "missing", "empty", "cut", "flipped", "longer"]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("archive", HOW)
@pytest.mark.parametrize("manifest", HOW)
def test_F10_plain_and_archive_together(directory: Path, codec: Codec, archive: str, manifest: str) -> None:
    """The archive is kept if it and its manifest are whole, else the plain file; nothing is lost, doubled or alarmed,
    before the opening nor after it."""
    half_sealed(directory, codec)
    spoil(events(directory, 20, SUFFIX[codec]), archive)
    spoil(events(directory, 20, ".manifest.json"), manifest)
    assert seqs(directory) == list(range(1, 21))
    with Store.open(directory) as store:
        assert not store.recovered.faults
        assert seqs(directory) == list(range(1, 21))
        if archive == manifest == "good":
            assert names(directory) == [f"20{SUFFIX[codec]}", "20.manifest.json", "21.jsonl"]
        else:
            assert names(directory) == ["20.jsonl", "21.jsonl"]
        store.upkeep.seal()
    assert names(directory)[0].startswith("20.jsonl.")
    assert seqs(directory)[:20] == list(range(1, 21))
    assert not (directory / "quarantine").exists()


@pytest.mark.parametrize("hurt", ["cut", "torn", "flipped"])
def test_F10_a_plain_file_that_lost_lines_yields_to_the_whole_archive(directory: Path, hurt: str) -> None:
    """What stood in its place is in quarantine, and every event is read."""
    plain = half_sealed(directory, "gzip")
    left = {"cut": plain[: plain.index(b'{"seq":8,')], "torn": plain[:-30], "flipped": plain.replace(b"mmm", b"mXm", 1)}
    events(directory, 20, ".jsonl").write_bytes(left[hurt])
    with Store.open(directory) as store:
        assert seqs(directory)[:20] == list(range(1, 21))
        assert names(directory)[:2] == ["20.jsonl.gz", "20.manifest.json"]
        del store
    kept = b"".join(path.read_bytes() for path in (directory / "quarantine").iterdir() if path.suffix != ".json")
    assert left[hurt] == kept or hurt == "torn"


def test_F10_a_plain_file_with_more_lines_yields_to_nothing(directory: Path) -> None:
    """An archive that lacks some of its lines goes."""
    lay(directory, d20=lines(1, 8), d21=lines(11, 20))
    seal(directory, 20)
    events(directory, 20, ".jsonl").write_bytes(lines(1, 10))
    with Store.open(directory):
        assert names(directory) == ["20.jsonl", "21.jsonl"]
    assert seqs(directory)[:20] == list(range(1, 21))


def test_F10_F47_when_each_has_what_the_other_lacks_both_stay(directory: Path) -> None:
    """No event that is nowhere else is ever removed: another day's archive beside a plain file is not."""
    by_ten(directory, 4)
    seal(directory, 20)
    for suffix in (".jsonl.gz", ".manifest.json"):
        events(directory, 20, suffix).rename(events(directory, 21, suffix))
    before = events(directory, 21, ".jsonl.gz").read_bytes()
    for _ in range(2):
        with Store.open(directory) as store:
            store.upkeep.seal()
    assert events(directory, 21, ".jsonl.gz").read_bytes() == before
    assert events(directory, 21, ".jsonl").read_bytes() == lines(11, 20)
    assert set(range(11, 41)) <= set(seqs(directory))


def test_F10_archives_of_both_codecs(directory: Path) -> None:
    """Beside the plain file, the one that the manifest tells of is kept."""
    plain = half_sealed(directory, "gzip")
    packed = events(directory, 20, ".jsonl.gz").read_bytes()
    seal(shutil.copytree(directory, directory.with_name("other")), 20, codec="zstd")
    shutil.copy(directory.with_name("other") / "events" / "2026-11-20.jsonl.zst", directory / "events")
    assert (events(directory, 20, ".jsonl").read_bytes(), seqs(directory)) == (plain, list(range(1, 21)))
    with Store.open(directory):
        assert names(directory) == ["20.jsonl.gz", "20.manifest.json", "21.jsonl"]
    assert events(directory, 20, ".jsonl.gz").read_bytes() == packed


def test_F10_temporary_files_are_removed_and_strangers_are_not(directory: Path) -> None:
    """Those that sealing, retention and holds make, of any process; no other name, however near."""
    by_ten(directory, 2)
    ours = [
        "events/.2026-11-20.jsonl.gz.77.tmp",
        "events/.2026-11-20.001.jsonl.zst.1.tmp",
        "events/.2026-11-20.manifest.json.4194304.tmp",
        ".holds.json.77.tmp",
        ".pruned.json.77.tmp",
    ]
    strange = ["events/.2026-11-20.jsonl.gz.tmp", "events/2026-11-20.jsonl.gz.77.tmp", "events/.x.77.tmp", ".y.tmp"]
    for name in ours + strange:
        (directory / name).write_bytes(b"x")
    with Store.open(directory):
        pass
    assert [name for name in ours if (directory / name).exists()] == []
    assert [name for name in strange if (directory / name).exists()] == strange


@pytest.mark.parametrize("name", ["holds.json", "pruned.json"])
def test_F11_a_leftover_of_a_record_alone_is_removed_at_opening(directory: Path, name: str) -> None:
    """Also when nothing in `events/` says that an upkeep was cut off."""
    by_ten(directory, 1)
    (directory / f".{name}.77.tmp").write_bytes(b"x")
    with Store.open(directory):
        assert not list(directory.glob(".*.tmp"))


def test_S10_a_forged_record_of_removals_leads_nowhere_else(directory: Path) -> None:
    """Names that are not those of sealed segments are passed over; no plain file goes either."""
    from stonelog.filestore.layout import Layout
    from stonelog.filestore.pruned import Pruned

    by_ten(directory, 3)
    seal(directory, 20)
    victim = directory.parent / "2026-11-20.jsonl.gz"
    victim.write_bytes(b"x")
    forged = ["../../2026-11-20.jsonl.gz", str(victim), "../holds.json", "2026-11-21.jsonl", ".", "", "lock\0"]
    (directory / "holds.json").write_bytes(b"x")
    Pruned([(1, 10)], [*forged, "2026-11-20.jsonl.gz", "2026-11-20.manifest.json"]).write(Layout(directory))
    with Store.open(directory):
        pass
    assert names(directory) == ["21.jsonl", "22.jsonl"]
    assert victim.exists()
    assert (directory / "holds.json").exists()


def test_opening_leaves_what_is_under_way_in_another_process(directory: Path) -> None:
    """Who holds the upkeep lock is not disturbed, and the store opens."""
    from stonelog.filestore import StoreLock
    from stonelog.filestore.layout import Layout

    half_sealed(directory, "gzip")
    before = names(directory)
    with StoreLock.opened(Layout(directory).upkeep_lock, 1) as lock, lock.held(), Store.open(directory) as store:
        assert store.append(category="api", action="read").seq == 21
        assert names(directory)[:3] == before[:3]
    with Store.open(directory):
        assert names(directory)[0] == "20.jsonl.gz"
