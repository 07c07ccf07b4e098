"""`reindex`, `serve` and the doors of `doctor` and `demo`."""

import json
import signal
import sys
import urllib.request

import pytest

from stonelog.filestore import Store
from stonelog.indexer import Index, IndexUnavailable


def test_reindex_builds_the_index(run, store):
    """After `reindex` the index covers everything, and says so."""
    ended = run("reindex", "--dir", store)
    assert ended.exit_code == 0
    assert ended.stdout.startswith("indexed to seq 5 in ")
    with Index.open(store) as index:
        assert index.status().indexed_seq == 5


def test_reindex_mends_an_index_that_cannot_be_used(run, store):
    """Garbage in place of the index is thrown away; the answers are the same before and after."""
    run("reindex", "--dir", store)
    for file in (store / "index").iterdir():
        file.write_bytes(b"garbage" * 1000)
    assert run("count", "username:ada", "--dir", store).stdout == "2\n"
    assert run("reindex", "--dir", store).exit_code == 0
    with Index.open(store) as index:
        assert index.status().state == "ok"
    assert run("count", "username:ada", "--dir", store).stdout == "2\n"


def test_reindex_while_another_indexes_is_an_error(run, store, monkeypatch):
    """If another process keeps the index busy, that is one line and status 2."""

    def busy(self, progress=None):
        raise IndexUnavailable("another process indexes", hint="stop it first")

    monkeypatch.setattr(Index, "rebuild", busy)
    ended = run("reindex", "--dir", store)
    assert (ended.exit_code, ended.stderr) == (2, "stonelog: another process indexes; stop it first\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_serves_until_a_signal(running, tmp_path, number):
    """`serve --port 0` says on one line where it listens, answers there, and ends with 0 when told to."""
    serving = running("serve", "--port", "0", "--dir", "s")
    greeting = serving.child.stderr.readline().decode()
    assert greeting.startswith("stonelog serving ")
    url = greeting.split()[-1]
    with Store.open(tmp_path / "s") as store:
        store.append(category="api", action="read", message="hello")
    with urllib.request.urlopen(f"{url}/v1/events?q=hello", timeout=30) as answer:
        assert json.load(answer)["items"][0]["message"] == "hello"
    assert serving.end(number) == (0, b"", b"")


def test_serve_passes_its_options_on(run, monkeypatch, tmp_path):
    """--host, --port, --uds and --dir reach the server."""
    import stonelog.api.runtime as runtime

    asked = []
    monkeypatch.setattr(runtime, "serve", lambda *args, **options: asked.append((args, options)))
    run("serve", "--host", "::1", "--port", "9", "--uds", "a.sock", "--dir", "s")
    from pathlib import Path

    assert asked == [((Path("s"),), {"host": "::1", "port": 9, "uds": Path("a.sock")})]
    assert sys.modules["stonelog.api.runtime"] is runtime


def test_doctor_says_how_the_store_is(run, store):
    """A sound store: a line for each check, all of them ok or warn, status 0."""
    run("reindex", "--dir", store)
    ended = run("doctor", "--dir", store)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert {line.split()[0] for line in ended.stdout.splitlines()} == {"ok"}


def test_doctor_ends_with_2_if_there_is_a_problem(run, store):
    """A problem is status 2; one line on standard error names it."""
    with Store.open(store) as writer:
        writer.append(category="api", action="read")
    (segment,) = (store / "events").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"wrong password", b"wrong passw0rd"))
    ended = run("doctor", "--dir", store)
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "problem" in ended.stdout


def test_doctor_for_machines(run, store):
    """`-o json` is {"ok", "checks": [{"name", "state", "text", "advice", "repair"}]}, with --fix also "repairs"."""
    document = json.loads(run("doctor", "-o", "json", "--dir", store).stdout)
    assert document["ok"] is True
    assert set(document["checks"][0]) == {"name", "state", "text", "advice", "repair"}
    assert "repairs" not in document
    (store / "events").chmod(0o755)
    document = json.loads(run("doctor", "--fix", "-o", "json", "--dir", store).stdout)
    assert [(each["kind"], each["ok"]) for each in document["repairs"]] == [("modes", True)]
    assert document["checks"][0]["state"] == "ok"


def test_doctor_says_what_it_did_and_looks_again(run, store):
    """With --fix: the checks as they were, a line for each repair, the checks as they are then, and their status."""
    (store / "events").chmod(0o777)
    before = run("doctor", "--dir", store)
    assert before.exit_code == 2
    assert "--fix makes the directories 0700" in before.stdout
    ended = run("doctor", "--fix", "--dir", store)
    assert ended.exit_code == 0
    states = [
        line.split()[0] for line in ended.stdout.splitlines() if " directory: " in line or "owner alone now" in line
    ]
    assert states == ["problem", "done", "ok"]
    assert "nothing to repair" in run("doctor", "--fix", "--dir", store).stdout


def test_doctor_of_nothing_is_a_problem(run, tmp_path):
    """A directory that is not there is a problem in words; it is not made."""
    ended = run("doctor", "--dir", "absent")
    assert ended.exit_code == 2
    assert "absent does not exist" in ended.stdout
    assert not (tmp_path / "absent").exists()


def test_demo_does_not_touch_a_store_of_somebody(run, store):
    """$STONELOG_DIR is not where a demo goes, and a directory that is not its own is refused."""
    assert run("demo", env={"STONELOG_DIR": str(store)}).exit_code == 0
    ended = run("demo", "--dir", store)
    assert ended.exit_code == 2
    assert "no earlier demo made it" in ended.stderr
    assert run("count", "--dir", store).stdout == "5\n"
