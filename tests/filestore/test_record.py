"""Small records beside the events."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore import CorruptLine
from stonelog.filestore.record import read_record, write_record

JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=9)


@settings(deadline=None)
@given(st.dictionaries(st.text().filter(lambda key: key != "hash"), JSON, min_size=1))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]) -> None:
    """Any fields come back; the last key of the file is the hash of the bytes before it."""
    path = tmp_path_factory.mktemp("record") / "x.json"
    write_record(path, fields)
    assert read_record(path) == fields
    head, _, end = path.read_bytes().rpartition(b',"hash":"')
    assert end == sha256(head).hexdigest()[:16].encode() + b'"}\n'


def test_a_record_that_is_not_there_is_none(tmp_path: Path) -> None:
    """No file, no record, no error."""
    assert read_record(tmp_path / "x.json") is None


def test_F43_a_flipped_byte_anywhere_is_corrupt(tmp_path: Path) -> None:
    """So is a record that was cut short, at any byte, or emptied; it is never read as another one."""
    path = tmp_path / "x.json"
    write_record(path, {"a": 1, "b": "text"})
    data = path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x01
        for wrong in (bytes(changed), data[:place]):
            path.write_bytes(wrong)
            with pytest.raises(CorruptLine, match=r"x\.json"):
                read_record(path)


def test_S10_a_fitting_hash_over_what_is_not_json_is_corrupt(tmp_path: Path) -> None:
    """Who forges a record gets an error of ours."""
    for head in (b"{nonsense", b"[1", b""):
        path = tmp_path / "x.json"
        path.write_bytes(head + b',"hash":"' + sha256(head).hexdigest()[:16].encode() + b'"}\n')
        with pytest.raises(CorruptLine):
            read_record(path)


def test_S11_a_record_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mode 0600, whatever the umask."""
    path = tmp_path / "x.json"
    write_record(path, {"a": 1})
    assert path.stat().st_mode & 0o777 == 0o600
