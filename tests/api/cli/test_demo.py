"""The demonstration: it counts right, with samples and without, and leaves alone what is not its own."""

from pathlib import Path

import pytest

from stonelog.api.demo import SAMPLES, demonstrate
from stonelog.filestore import Reader, StonelogError, Store
from stonelog.indexer import Index

SOURCES = pytest.mark.parametrize(
    "samples",
    [
        pytest.param(
            SAMPLES, marks=pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples in an installed package")
        ),
        Path("nowhere"),
    ],
    ids=["samples", "made up"],
)


def shown(directory, **options):
    return list(demonstrate(directory, width=90, **options))


@SOURCES
def test_every_count_is_right(tmp_path, samples):
    """No count differs, there are a few hundred events, and each question has an answer worth looking at."""
    lines = shown(tmp_path / "demo", samples=samples)
    assert not any(line.differs for line in lines)
    counts = [line.text.split() for line in lines if line.text.endswith("right")]
    assert len(counts) >= 5
    assert not [row for row in counts if "0" in row]
    assert len(list(Reader(tmp_path / "demo").lines())) >= 300


@SOURCES
def test_it_shows_search_facets_histogram_and_how_to_go_on(tmp_path, samples):
    """The output has each of the commands, what they print, and how to open the API."""
    text = "\n".join(line.text for line in shown(tmp_path / "demo", samples=samples))
    for command in ("search", "facets", "histogram", "stats", "serve"):
        assert f"stonelog {command} " in text
    assert "█" in text
    assert max(len(line) for line in text.split("\n") if "█" in line) <= 90


def test_a_wrong_count_is_noticed(tmp_path, monkeypatch):
    """If the index miscounts, the line says so."""
    right = Index.count
    monkeypatch.setattr(Index, "count", lambda self, q="", **more: right(self, q, **more) + (q == "level:error"))
    differing = [line.text for line in shown(tmp_path / "demo", samples=Path("nowhere")) if line.differs]
    assert len(differing) == 1
    assert "DIFFERS" in differing[0]


def test_it_can_be_repeated(tmp_path):
    """A second demo begins anew: as many events as the first."""
    counts = []
    for _ in range(2):
        shown(tmp_path / "demo", samples=Path("nowhere"))
        counts.append(Reader(tmp_path / "demo").last_seq)
    assert counts[0] == counts[1]


def test_an_empty_directory_is_taken(tmp_path):
    """A directory with nothing in it is nobody's."""
    (tmp_path / "demo").mkdir()
    assert shown(tmp_path / "demo", samples=Path("nowhere"))


def test_what_is_not_its_own_is_left_alone(tmp_path):
    """A directory with anything in it that no demo made is refused, and stays as it is."""
    with Store.open(tmp_path / "demo") as store:
        store.append(category="api", action="read")
    before = sorted(path.name for path in (tmp_path / "demo").rglob("*"))
    with pytest.raises(StonelogError, match="no earlier demo made it"):
        shown(tmp_path / "demo")
    assert sorted(path.name for path in (tmp_path / "demo").rglob("*")) == before


def test_files_that_somebody_put_into_a_demo_stay(tmp_path):
    """Making a demo anew removes the store in it and nothing else."""
    shown(tmp_path / "demo", samples=Path("nowhere"))
    (tmp_path / "demo/notes.txt").write_text("mine")
    shown(tmp_path / "demo", samples=Path("nowhere"))
    assert (tmp_path / "demo/notes.txt").read_text() == "mine"


def test_a_demo_in_use_is_refused(tmp_path, running):
    """While another process has the store open, it is not removed under it."""
    shown(tmp_path / "demo", samples=Path("nowhere"))
    serving = running("serve", "--port", "0", "--dir", "demo")
    serving.child.stderr.readline()
    with pytest.raises(StonelogError, match=f"open in process {serving.child.pid}"):
        shown(tmp_path / "demo", samples=Path("nowhere"))


def test_the_command_to_go_on_with_can_be_run_from_here(tmp_path, monkeypatch):
    """Where the environment is not activated, as after `make demo`, the path of the command stands before it."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / ".venv" / "bin" / "stonelog"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", "/nonexistent")
    texts = [line.text for line in shown(tmp_path / "demo", samples=Path("nowhere"))]
    assert f"  .venv/bin/stonelog serve --dir {tmp_path / 'demo'}" in texts
