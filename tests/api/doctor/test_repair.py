"""`doctor --fix`: each repair does what it says, only when asked, and never touches an acknowledged event."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from freezegun import freeze_time

from segments import DAY, batches, lay, line
from stonelog.api.doctor import examine, repair
from stonelog.filestore import Reader, Store, verify
from stonelog.indexer import Index

GZIP, MANIFEST = "2026-11-23.jsonl.gz", "2026-11-23.manifest.json"


@pytest.fixture(autouse=True)
def _day():
    """The day of the newest segment is today: a later one would begin another segment."""
    with freeze_time("2026-11-24 12:00", tick=True):
        yield


@pytest.fixture
def directory(tmp_path):
    """A store of a sealed segment (seq 1 to 6) and a plain one (seq 7 on)."""
    directory = lay(tmp_path / "data", d23=b"".join(batches(*[1] * 6)), d24=line(7, 6))
    directory.chmod(0o700)
    with Store.open(directory) as store:
        store.upkeep.seal()
    for place in (directory / "events").iterdir():
        place.chmod(0o600)
    with Index.open(directory) as index:
        index.catch_up()
    return directory


def lines(directory):
    """Every good line."""
    return [each.raw for each in Reader(directory).lines(on_corrupt=lambda error: None)]


def bad(directory):
    """The names of the checks of the store that are not ok, and what they offer; the days here may be to come."""
    others = {"quarantine", "clock", "disk"}
    checks = [check for check in examine(directory) if check.state != "ok" and check.name not in others]
    return [(check.name, check.state, check.repair.kind if check.repair else None) for check in checks]


def mended(directory):
    """What the repairs did; all of them could be made."""
    done = repair(examine(directory))
    assert all(each.ok for each in done), done
    return [each.text for each in done]


def tree(directory):
    """Every file with its bytes, mode and time of change, but for what SQLite leaves beside the index."""
    return {
        str(path): (status.st_mode, status.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [directory, *directory.rglob("*")]
        for status in [path.lstat()]
        if path.name != "index" and not path.name.endswith(("-wal", "-shm"))
    }


def everything_wrong(directory: Path) -> None:
    """All that a repair is offered for, at once."""
    with (directory / "events" / "2026-11-24.jsonl").open("ab") as file:
        file.write(b"torn")
    (directory / "events" / MANIFEST).unlink()
    (directory / "events" / f".{GZIP}.7.tmp").write_bytes(b"x")
    (directory / ".holds.json.7.tmp").write_bytes(b"x")
    (directory / "pruned.json").write_bytes(b"{}")
    (directory / "events").chmod(0o755)
    for place in (directory / "index").iterdir():
        place.write_bytes(b"garbage" * 1000)


def test_a_sound_store_is_offered_nothing(directory):
    """Every check is ok, and there is nothing to repair."""
    assert bad(directory) == []
    assert repair(examine(directory)) == []


def test_without_fix_nothing_is_written(directory):
    """Whatever is wrong, looking changes no byte, mode or time."""
    everything_wrong(directory)
    before = tree(directory)
    assert len({check.repair.kind for check in examine(directory) if check.repair}) == 5
    assert tree(directory) == before


def test_all_repairs_at_once(directory):
    """After --fix all is well, and every event is as it was."""
    before = lines(directory)
    everything_wrong(directory)
    assert len(mended(directory)) == 5
    assert bad(directory) == []
    assert lines(directory)[: len(before)] == before
    assert [path.read_bytes() for path in (directory / "quarantine").iterdir() if path.suffix != ".json"] == [b"torn"]


def test_S11_modes_are_mended_and_links_left_alone(directory, tmp_path):
    """Directories become 0700 and files 0600; what a symbolic link leads to is not touched."""
    (tmp_path / "foreign").write_bytes(b"")
    (tmp_path / "foreign").chmod(0o666)
    (directory / "events" / "link").symlink_to(tmp_path / "foreign")
    (directory / "events" / GZIP).chmod(0o644)
    directory.chmod(0o750)
    assert mended(directory) == ["2 places are for the owner alone now"]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "events" / GZIP).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "foreign").stat().st_mode & 0o777 == 0o666


def test_a_torn_tail_goes_to_quarantine(directory):
    """What it offers is what it does: the bytes are kept, the file ends with its last line."""
    newest = directory / "events" / "2026-11-24.jsonl"
    good = newest.read_bytes()
    newest.write_bytes(good + b"garbage\n")
    assert bad(directory) == [("lines", "warn", "open")]
    (told,) = mended(directory)
    assert "8 bytes are in quarantine/ now" in told
    assert newest.read_bytes().startswith(good + b'{"seq":9,')


@pytest.mark.parametrize("how", ["gone", "damaged", "of another day", "wrong"])
def test_F43_a_manifest_is_made_anew_from_a_sound_archive(directory, how):
    """Whatever is in its place; it then says what it said before, but for the moment of sealing."""
    from stonelog.filestore.record import read_record, write_record

    place = directory / "events" / MANIFEST
    before = read_record(place)
    if how == "gone":
        place.unlink()
    elif how == "damaged":
        place.write_bytes(place.read_bytes()[:-40])
    else:
        change = {"file": "2026-11-22.jsonl.gz"} if how == "of another day" else {"events": 99}
        write_record(place, {**before, **change})
    assert bad(directory) == [("segments", "problem", "manifest")]
    mended(directory)
    assert bad(directory) == []
    assert {**read_record(place), "sealed_at": ""} == {**before, "sealed_at": ""}


def test_F43_a_manifest_is_made_anew_beside_a_damaged_archive(tmp_path):
    """What the neighbour held is known by its own manifest, though its archive cannot be unpacked."""
    days = {"d21": b"".join(batches(*[1] * 3)), "d22": b"".join(batches(*[1] * 3, first=4)), "d23": line(7, 6)}
    directory = lay(tmp_path / "data", **days)
    with Store.open(directory) as store:
        store.upkeep.seal()
    (directory / "events" / "2026-11-21.manifest.json").unlink()
    damaged = directory / "events" / "2026-11-22.jsonl.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert {each.kind: each.ok for each in repair(examine(directory))}["manifest"]
    assert {fault.file for fault in verify(directory) if not fault.note} == {damaged.name}


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_F47_no_manifest_is_made_from_an_archive_that_is_not_whole(tmp_path, how):
    """It would hide what is missing: the repair says why not, and writes nothing."""
    directory = lay(tmp_path / "data", d23=b"".join(batches(*[1] * 2000, text="x" * 300)), d24=line(2001, 2000))
    with Store.open(directory) as store:
        (manifest,) = store.upkeep.seal()
    archive = directory / "events" / GZIP
    data = archive.read_bytes()
    at = manifest.frames[1].offset
    archive.write_bytes(data[:at] if how == "cut" else data[: at + 99] + b"\0" + data[at + 100 :])
    (directory / "events" / MANIFEST).unlink()
    done = [each for each in repair(examine(directory)) if each.kind == "manifest"]
    assert [each.ok for each in done] == [False]
    assert "copy" in done[0].text or "unpacked" in done[0].text
    assert not (directory / "events" / MANIFEST).exists()


def test_F11_the_record_of_removals_is_made_anew_from_the_events(tmp_path):
    """It says again what was removed, by the events and by nothing else: an unexplained gap stays a problem."""
    directory = lay(tmp_path / "data", **{f"d0{seq}": line(seq, seq - 1) for seq in range(1, 6)})
    (directory / "stonelog.toml").write_text("[retention]\nmax_bytes = 1\n")
    with Store.open(directory) as store:
        store.upkeep.seal()
        store.upkeep.retain()
    good = (directory / "pruned.json").read_bytes()
    (directory / "pruned.json").write_bytes(good.replace(b"1", b"2", 1))
    mended(directory)
    assert (directory / "pruned.json").read_bytes() == good
    assert list(verify(directory)) == []
    newest = max((directory / "events").glob("*.jsonl"))
    kept = [each for each in newest.read_bytes().splitlines(keepends=True) if b"store_pruned" not in each]
    newest.write_bytes(b"".join(kept))
    (directory / "pruned.json").write_bytes(b"")
    mended(directory)
    assert ("lines", "problem", None) in bad(directory)


def test_F11_a_removal_that_was_not_carried_out_is_not_recorded(directory):
    """An event tells of a removal before it is made: a segment that is still there was not removed."""
    removal = {"segment": "2026-11-23", "first_seq": 1, "last_seq": 6}
    with Store.open(directory) as store:
        fields = {"category": "system_management", "action": "store_pruned"}
        store.append({**fields, "metadata": {"segments": [removal]}})
        store.append({**fields, "metadata": {"segments": "another's"}})
    (directory / "pruned.json").write_bytes(b"")
    (directory / "pruned.json").chmod(0o600)
    assert mended(directory) == ["pruned.json was written anew; by the events, retention removed nothing"]
    (directory / "events" / GZIP).unlink()
    assert [fault.seqs for fault in verify(directory) if not fault.note] == [(1, 6), (1, 6)]


def test_a_damaged_record_of_holds_is_left_to_a_person(directory):
    """Guessing could end a hold: the events' word is told, the file stays as it is, and nothing is removed."""
    with Store.open(directory) as store:
        store.upkeep.hold(date(2026, 1, 1), date(2026, 1, 31), "case 12")
        store.upkeep.release(store.upkeep.hold(date(2026, 2, 1), date(2026, 2, 1), "mistake").id)
    (directory / "holds.json").write_bytes(b"damaged")
    (check,) = [check for check in examine(directory) if check.name == "records"]
    assert check.repair is None
    assert "H1 (2026-01-01 to 2026-01-31: case 12)" in check.advice
    assert "mistake" not in check.advice
    repair(examine(directory))
    assert (directory / "holds.json").read_bytes() == b"damaged"


def test_F10_an_interrupted_sealing_is_finished(directory):
    """Plain file and archive of the same bytes: the archive stays."""
    (directory / "events" / DAY).write_bytes(b"".join(batches(*[1] * 6)))
    (directory / "events" / DAY).chmod(0o600)
    before = lines(directory)
    assert bad(directory) == [("segments", "warn", "open")]
    mended(directory)
    assert bad(directory) == []
    assert not (directory / "events" / DAY).exists()
    assert lines(directory) == before


def test_F52_an_index_that_cannot_be_used_is_built_anew(directory):
    """Garbage in its place is thrown away; it then covers everything."""
    for place in (directory / "index").iterdir():
        place.write_bytes(b"garbage" * 1000)
    assert bad(directory) == [("index", "problem", "index")]
    assert mended(directory) == ["the index was built anew, to seq 8"]
    assert bad(directory) == []


def test_F42_a_rotten_middle_is_not_repaired(directory):
    """It is named with what is missing and what brings it back; no repair is offered, and no byte changes."""
    newest = directory / "events" / "2026-11-24.jsonl"
    with Store.open(directory) as store:
        store.append_many([{"category": "api", "action": "read"}] * 3)
        store.append({"category": "api", "action": "read"})
    with Index.open(directory) as index:
        index.catch_up()
    newest.write_bytes(newest.read_bytes().replace(b'{"seq":9,', b'{"seq":8,'))
    (check,) = [check for check in examine(directory) if check.name == "lines"]
    assert (check.state, check.repair) == ("problem", None)
    assert "seq 9 is missing" in check.text
    assert "restore the file from a copy" in check.advice
    before = tree(directory)
    assert repair(examine(directory)) == []
    assert tree(directory) == before


def test_a_repair_that_cannot_be_made_says_why(directory, monkeypatch):
    """It is told as not done, the others are made; the store is not opened while pruned.json is damaged."""
    import stonelog.api.doctor.contents as contents

    def refuse(directory: Path) -> None:
        raise PermissionError(1, "Operation not permitted", "pruned.json")

    everything_wrong(directory)
    monkeypatch.setattr(contents, "rebuild_pruned", refuse)
    done = {each.kind: each for each in repair(examine(directory))}
    assert {kind: each.ok for kind, each in done.items()} == {
        "modes": True,
        "pruned": False,
        "manifest": False,
        "open": False,
        "index": True,
    }
    assert done["pruned"].text == "pruned.json: Operation not permitted"
    assert not (directory / "quarantine").exists()
    shutil.rmtree(directory)
