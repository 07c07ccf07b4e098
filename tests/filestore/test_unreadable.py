"""A store of which the disk does not give a page: opening it, and reading on."""

from __future__ import annotations

from pathlib import Path

import pytest

from badpages import PAGE, spoil
from sealed import events, lines, seqs, told
from segments import lay
from stonelog.filestore import Store, StoreReadOnly, verify
from stonelog.filestore.layout import Layout
from stonelog.filestore.pruned import Pruned

TEXT = "x" * 300


@pytest.mark.parametrize("day", [22, 23])
def test_F35_opening_names_the_segment_whose_end_cannot_be_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch, day: int
) -> None:
    """EIO in the tail of an older segment or the newest: StoreReadOnly says which file and what to do, nothing else."""
    lay(directory, d22=lines(1, 50, TEXT), d23=lines(51, 100, TEXT))
    path = events(directory, day, ".jsonl")
    before = {each: each.read_bytes() for each in (directory / "events").iterdir()}
    spoil(monkeypatch, path.name, path.stat().st_size - PAGE)
    for _ in range(2):
        with pytest.raises(StoreReadOnly) as raised:
            Store.open(directory)
        assert str(raised.value).startswith(f"{path}: Input/output error")
        assert "conv=noerror,sync" in raised.value.hint
    assert set(seqs(directory)) >= set(range(1, 101)) - set(range(50 * (day - 22) + 33, 50 * (day - 22) + 51))
    assert not (directory / "quarantine").exists()
    monkeypatch.undo()
    assert {each: each.read_bytes() for each in before} == before


@pytest.mark.parametrize("day", [22, 23])
def test_F35_with_the_copy_that_the_error_asks_for_the_store_opens(
    directory: Path, monkeypatch: pytest.MonkeyPatch, day: int
) -> None:
    """What `dd conv=noerror,sync` gives in the file's place: the lost `seq`s are named, the others are kept."""
    lay(directory, d22=lines(1, 50, TEXT), d23=lines(51, 100, TEXT))
    path = events(directory, day, ".jsonl")
    data = path.read_bytes()
    bad = (len(data) - 2 * PAGE) // PAGE * PAGE
    copy = data[:bad] + bytes(PAGE) + data[bad + PAGE :]
    path.write_bytes(copy + bytes(-len(copy) % PAGE))
    with Store.open(directory) as store:
        (fault,) = [each for each in store.recovered.faults if each.file == path.name][:1]
        assert "acknowledged events missing" in str(fault)
        assert store.append(category="api", action="next").seq > 100
    found = seqs(directory)
    assert {1, 50, 51, 100} <= set(found)
    assert len(set(range(1, 101)) - set(found)) < 20


def test_F35_a_record_of_removals_that_cannot_be_read_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening says that it is pruned.json."""
    lay(directory, d22=lines(1, 5))
    (directory / "pruned.json").write_bytes(b"{}")
    spoil(monkeypatch, "pruned.json", 0)
    with pytest.raises(StoreReadOnly, match=r"pruned\.json: Input/output error"):
        Store.open(directory)


def test_F35_a_record_of_removals_that_cannot_be_read_hides_no_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` and readers tell of it, take what it would explain for missing, and go on."""
    lay(directory, d22=lines(1, 5), d23=lines(9, 12), d24=lines(13, 20))
    Pruned([(6, 8)]).write(Layout(directory))
    assert (list(verify(directory)), told(directory)) == ([], [])
    spoil(monkeypatch, "pruned.json", 0)
    verification = verify(directory)
    found = [(fault.kind, fault.seqs) for fault in verification if not fault.note]
    assert found == [("pruned", None), ("missing", (6, 8))]
    assert verification.events == 17
    assert seqs(directory) == [*range(1, 6), *range(9, 21)]
    assert [error.missing for error in told(directory)] == [(6, 8)]
