"""The command `verify`: a line for each fault, a count at the end, and the status."""

import json

import pytest

from stonelog.filestore import Store


@pytest.fixture
def damaged(store):
    """The store with a changed byte in its second event, and bytes that are no line at its end."""
    with Store.open(store) as writer:
        writer.append(category="api", action="read")
    (segment,) = (store / "events").glob("*.jsonl")
    data = segment.read_bytes().replace(b"wrong password", b"wrong passw0rd")
    segment.write_bytes(data + b"torn")
    return store, segment.name, data.index(b'{"seq":2,'), len(data)


def test_verify_of_a_sound_store(run, store):
    """Nothing but the counts, and status 0."""
    ended = run("verify", "--dir", store)
    size = sum(path.stat().st_size for path in (store / "events").iterdir())
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == f"1 segment, 5 events, {size:,} bytes, 0 faults, 0 notes\n"


def test_F42_verify_names_each_fault_by_its_place(run, damaged):
    """`file:line:offset: reason`, notes marked as such, status 2 and one line on standard error."""
    store, name, offset, end = damaged
    ended = run("verify", "--dir", store)
    fault, note, counts = ended.stdout.splitlines()
    assert fault.startswith(f"{name}:2:{offset}: ")
    assert "seq 2 is missing" in fault
    assert note.startswith(f"{name}:7:{end}: note: 4 bytes ")
    assert counts.startswith("1 segment, 5 events, ")
    assert counts.endswith(" bytes, 1 fault, 1 note")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1


def test_verify_of_notes_alone_is_well(run, store):
    """What was never acknowledged is no fault: status 0."""
    (segment,) = (store / "events").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"torn")
    assert run("verify", "--dir", store).exit_code == 0


def test_verify_for_machines(run, damaged):
    """`-o json` is one document with what was found, whether all is well, and the counts."""
    store, name, offset, _ = damaged
    document = json.loads(run("verify", "-o", "json", "--dir", store).stdout)
    fault, note = document.pop("found")
    assert (fault["file"], fault["line"], fault["offset"], fault["seqs"]) == (name, 2, offset, [2, 2])
    assert (fault["place"], fault["note"], note["note"]) == (f"{name}:2:{offset}", False, True)
    assert document.pop("bytes") > 0
    assert document == {"ok": False, "segments": 1, "events": 5, "faults": 1, "notes": 1}
    empty = json.loads(run("verify", "-o", "json", "--dir", store.parent).stdout)
    assert (empty["found"], empty["ok"]) == ([], True)


def test_verify_shows_no_control_characters(run, store):
    """Names are another hand's text: what a terminal would obey is written out."""
    (store / "events" / "\x1b[31m.jsonl").write_bytes(b"")
    ended = run("verify", "--dir", store)
    assert "\x1b" not in ended.stdout
    assert "\\u001b[31m.jsonl" in ended.stdout


def test_verify_of_nothing_is_an_error(run, tmp_path):
    """A directory that is not there is an error, and is not made."""
    ended = run("verify", "--dir", "absent")
    assert ended.exit_code == 2
    assert "absent" in ended.stderr
    assert not (tmp_path / "absent").exists()


def test_verify_shows_how_far_it_is_on_a_terminal(terminal, store):
    """On a terminal the answer stands alone at the end, whatever was shown on the way."""
    ended = terminal("verify", "--dir", store)
    assert ended.code == 0
    assert b"1 segment, 5 events" in ended.out
