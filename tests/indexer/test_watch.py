"""Being woken by changes, and doing without."""

import threading
from pathlib import Path

import pytest

from answers import wait_until
from stonelog.indexer import watch as module
from stonelog.indexer.watch import Watch


def test_writing_wakes(tmp_path: Path) -> None:
    """A new file and a line added to it both wake; reading does not."""
    woken = threading.Event()
    watch = Watch(tmp_path, woken.set)
    try:
        file = tmp_path / "2026-11-23.jsonl"
        file.touch()
        assert woken.wait(10)
        woken.clear()
        with file.open("a") as opened:
            opened.write("line\n")
        assert woken.wait(10)
    finally:
        watch.stop()


def test_nothing_is_called_after_stop(tmp_path: Path) -> None:
    """Once stopped it has no thread left and calls no more."""
    before = threading.active_count()
    calls: list[None] = []
    watch = Watch(tmp_path, lambda: calls.append(None))
    watch.stop()
    wait_until(lambda: threading.active_count() <= before)
    calls.clear()
    (tmp_path / "file").touch()
    assert calls == []


@pytest.mark.parametrize("step", ["schedule", "start"])
def test_F56_no_watches_left(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At inotify's limit it says so once and goes on without."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(module.Observer, step, refuse)
    watch = Watch(tmp_path, lambda: None)
    watch.stop()
    assert "inotify watch limit reached" in caplog.text
    assert len(caplog.records) == 1


def test_a_directory_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be watched is said, not raised."""
    Watch(tmp_path / "nowhere", lambda: None).stop()
    assert "cannot be watched" in caplog.text
