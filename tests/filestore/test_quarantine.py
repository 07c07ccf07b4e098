"""The place for bytes that could not be kept."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from stonelog.filestore import Quarantine, files


def names(directory: Path) -> list[str]:
    """What lies in the store's quarantine."""
    return sorted(each.name for each in (directory / "quarantine").iterdir())


def test_kept_bytes_lie_beside_a_record_of_their_place(directory: Path) -> None:
    """The bytes are as they were; the record has file, offset, length, reason and time."""
    data = b"\0\xff torn\n"
    name = Quarantine(directory).keep("2026-11-23.jsonl", 120, data, "torn")
    assert (directory / "quarantine" / name).read_bytes() == data
    record = json.loads((directory / "quarantine" / f"{name}.json").read_bytes())
    assert record.pop("time").endswith("Z")
    assert record == {"file": "2026-11-23.jsonl", "offset": 120, "length": len(data), "reason": "torn"}
    assert names(directory) == [name, f"{name}.json"]


def test_F12_keeping_the_same_again_changes_nothing(directory: Path) -> None:
    """The same bytes of the same place have the same name; other bytes have another."""
    quarantine = Quarantine(directory)
    first = quarantine.keep("a.jsonl", 5, b"one", "r")
    assert quarantine.keep("a.jsonl", 5, b"one", "r") == first
    assert quarantine.keep("a.jsonl", 5, b"two", "r") != first
    assert quarantine.keep("a.jsonl", 6, b"one", "r") != first
    assert len(names(directory)) == 6


def test_S11_only_the_owner_can_read_what_is_kept(directory: Path) -> None:
    """Directories are 0700 and files 0600 whatever the umask."""
    before = os.umask(0)
    try:
        quarantine = Quarantine(directory)
        quarantine.keep("a", 0, b"x", "r")
        with quarantine.rejects("b") as rejects:
            rejects.add(b"x", line=1, offset=0, reason="r")
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / "quarantine").stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in (directory / "quarantine").iterdir()} == {0o600}


@pytest.mark.parametrize(
    "source",
    ["../../etc/passwd", "a/../../b", "..", "", "\\..\\x", "a\0b\nc", "-" * 500, "日本.log", "/dev/stdin", ".hidden"],
)
def test_S10_no_source_leads_out_of_the_quarantine(directory: Path, source: str) -> None:
    """Bytes of any source lie in the quarantine under a harmless name; the record has the real one."""
    quarantine = Quarantine(directory)
    kept = quarantine.keep(source, 0, b"x", "r")
    with quarantine.rejects(source) as rejects:
        rejects.add(b"y", line=1, offset=0, reason="r")
    assert rejects.name is not None
    for name in (kept, rejects.name):
        assert name.isascii() and name.isprintable() and "/" not in name and not name.startswith(".")
        assert json.loads((directory / "quarantine" / f"{name}.json").read_bytes())["file"] == source
    assert len(names(directory)) == 4


def test_nothing_is_made_while_nothing_is_rejected(directory: Path) -> None:
    """An input without bad lines leaves no file, not even the directory."""
    with Quarantine(directory).rejects("in.log") as rejects:
        assert (rejects.name, rejects.count) == (None, 0)
    assert not directory.exists()


def test_rejected_lines_are_kept_with_line_offset_and_reason(directory: Path) -> None:
    """The lines stand as they were, one after the other; the record lists the place and reason of each."""
    given = [(b"bad \xff", 3, 40, "not JSON"), (b"", 9, 200, 'says "no"'), (b"x" * 700_000, 10, 201, "long\nline")]
    with Quarantine(directory).rejects("logs/in.log") as rejects:
        for raw, line, offset, reason in given:
            rejects.add(raw, line=line, offset=offset, reason=reason)
    assert rejects.name is not None
    assert rejects.name.startswith("ingest-")
    assert rejects.name.endswith("-in.log.rejected")
    data = (directory / "quarantine" / rejects.name).read_bytes()
    assert data == b"".join(raw + b"\n" for raw, *_ in given)
    record = json.loads((directory / "quarantine" / f"{rejects.name}.json").read_bytes())
    assert (record["file"], record["offset"], record["length"]) == ("logs/in.log", 0, len(data))
    assert record["lines"] == [
        {"line": line, "offset": offset, "length": len(raw), "reason": reason} for raw, line, offset, reason in given
    ]


def test_two_inputs_of_one_name_get_two_files(directory: Path) -> None:
    """Rejects of the same name at the same moment do not overwrite each other."""
    quarantine = Quarantine(directory)
    with quarantine.rejects("a") as one, quarantine.rejects("a") as two:
        one.add(b"1", line=1, offset=0, reason="r")
        two.add(b"2", line=1, offset=0, reason="r")
    assert one.name and two.name and one.name != two.name
    assert (directory / "quarantine" / one.name).read_bytes() == b"1\n"
    assert (directory / "quarantine" / two.name).read_bytes() == b"2\n"


def test_the_record_comes_after_its_bytes_are_durable(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, their sync, their name, the directory's sync; only then the same for the record."""
    steps: list[str] = []
    for step in ("write_all", "fsync", "rename", "fsync_directory"):
        real = getattr(files, step)
        monkeypatch.setattr(files, step, lambda *a, _s=step, _r=real: (steps.append(_s), _r(*a))[1])
    quarantine = Quarantine(directory)
    quarantine.directory.mkdir(parents=True)
    quarantine.keep("a", 0, b"x", "r")
    assert steps == ["write_all", "fsync", "rename", "fsync_directory"] * 2


def test_F29_a_full_disk_leaves_no_half_of_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the bytes cannot be written there is neither a file nor a temporary one."""

    def full(fd: int, data: bytes) -> None:
        os.write(fd, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        Quarantine(directory).keep("a", 0, b"bytes", "r")
    assert names(directory) == []
