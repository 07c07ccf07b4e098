"""What other hands do to the files of an open store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from stonelog.filestore import Receipt, Store, StoreReadOnly


def append(store: Store) -> Receipt:
    """One more event."""
    return store.append(category="api", action="read")


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events but the store's own."""
    return [event.seq for event in store.read() if event.action != "store_recovered"]


def test_F46_a_deleted_segment_is_noticed_before_the_next_acknowledgement(directory: Path) -> None:
    """Nothing is acknowledged into a file without a name: the next event lies in a file that is there."""
    with Store.open(directory) as store:
        receipt = append(store)
        append(store)
        Path(receipt.file).unlink()
        after = append(store)
        assert after.seq == 3
        assert Path(after.file).read_bytes().count(b"\n") == 1
    with Store.open(directory) as store:
        assert "seq 1 to 2" in str(store.recovered.faults[0])
        assert append(store).seq == 4


def test_F46_a_truncated_segment_is_noticed_and_no_seq_comes_twice(directory: Path) -> None:
    """Cut by another hand, in a line or at its end, the store goes on after the last `seq` it knew; the gap is told."""
    for cut in (0, 1):
        shutil.rmtree(directory, ignore_errors=True)
        with Store.open(directory) as store:
            receipts = [append(store) for _ in range(4)]
            os.truncate(receipts[0].file, receipts[2].offset + cut)
            assert append(store).seq == 5
            assert seqs(store) == [1, 2, 5]
        with Store.open(directory) as store:
            assert "seq 3 to 4" in str(store.recovered.faults[0])


@pytest.mark.parametrize("tail", [b"garbage", b"garbage\n", b"\0" * 1000, b"\n"])
def test_F46_bytes_added_by_another_hand_are_set_aside(directory: Path, tail: bytes) -> None:
    """What another hand added is in quarantine before the next event is acknowledged."""
    with Store.open(directory) as store:
        receipt = append(store)
        with Path(receipt.file).open("ab") as file:
            file.write(tail)
        after = append(store)
        assert (after.seq, seqs(store)) == (2, [1, 2])
        kept = [path for path in (directory / "quarantine").iterdir() if path.suffix != ".json"]
        assert [path.read_bytes() for path in kept] == [tail]


def test_F46_a_segment_replaced_by_a_copy_is_taken(directory: Path) -> None:
    """An editor that writes a new file and renames it does not make us write into the old one."""
    with Store.open(directory) as store:
        path = Path(append(store).file)
        shutil.copy(path, directory / "copy")
        os.replace(directory / "copy", path)
        append(store)
        assert path.read_bytes().count(b"\n") == 2
        assert seqs(store) == [1, 2]


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
@pytest.mark.parametrize("when", ["open", "before"])
def test_F46_what_is_no_file_is_never_followed(directory: Path, tmp_path: Path, kind: str, when: str) -> None:
    """A link, directory or pipe in the place of a segment is a StoreReadOnly that names it; undone, all works again."""
    store = Store.open(directory)
    path = Path(append(store).file)
    if when == "before":
        store.close()
    aside, target = tmp_path / "aside", tmp_path / "target"
    path.rename(aside)
    target.write_bytes(aside.read_bytes())
    if kind == "link":
        path.symlink_to(target)
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(StoreReadOnly, match=path.name):
        Store.open(directory)
    if when == "open":
        with pytest.raises(StoreReadOnly, match=path.name):
            append(store)
    assert target.read_bytes() == aside.read_bytes()
    path.rmdir() if kind == "directory" else path.unlink()
    aside.rename(path)
    store = Store.open(directory) if when == "before" else store
    assert append(store).seq == 2
    store.close()


def test_F46_a_store_whose_directory_vanished_is_a_clear_error(directory: Path, tmp_path: Path) -> None:
    """With the whole directory moved away, appending says so each time; when it is back, it goes on."""
    with Store.open(directory) as store:
        append(store)
        directory.rename(tmp_path / "away")
        for _ in range(3):
            with pytest.raises(StoreReadOnly, match="No such file"):
                append(store)
        (tmp_path / "away").rename(directory)
        assert append(store).seq == 2


def test_names_that_are_not_ours_are_left_alone(directory: Path) -> None:
    """Other files in events/ are neither read nor touched, nor are links and directories with other names."""
    with Store.open(directory) as store:
        append(store)
    events = directory / "events"
    (events / "notes.txt").write_text("mine")
    (events / "2026-13-45.jsonl").write_text("mine")
    (events / "2026-11-23.jsonl.bak").symlink_to("/dev/zero")
    (events / "2026-11-23.jsonl.d").mkdir()
    with Store.open(directory) as store:
        assert append(store).seq == 2
        assert seqs(store) == [1, 2]
    assert (events / "notes.txt").read_text() == (events / "2026-13-45.jsonl").read_text() == "mine"


@pytest.mark.parametrize("place", [".", "events"])
def test_S11_a_store_that_everybody_may_write_to_is_refused(directory: Path, place: str) -> None:
    """With directories writable by all, opening says which and how to change it."""
    Store.open(directory).close()
    (directory / place).chmod(0o777)
    with pytest.raises(StoreReadOnly, match="every user of the machine may write there; chmod o-w"):
        Store.open(directory)


def test_S11_all_that_a_store_makes_is_its_owners_alone(directory: Path) -> None:
    """Whatever the umask: directories 0700, files 0600."""
    before = os.umask(0)
    try:
        with Store.open(directory) as store:
            receipt = append(store)
            with Path(receipt.file).open("ab") as file:
                file.write(b"torn")
        Store.open(directory).close()
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o7777 for path in [directory, *directory.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert len(modes) >= 6
