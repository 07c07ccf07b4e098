"""The server looks for findings while events come, if the settings want it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from answers import wait_until
from stonelog.api.runtime import Stop, serve
from stonelog.filestore import Reader, Store


@contextmanager
def serving(directory: Path) -> Iterator[None]:
    """A server of the store runs in another thread, on a socket in the same folder."""
    stop, failed = Stop(), list[BaseException]()

    def run() -> None:
        try:
            serve(directory, uds=directory.parent / "socket", stop=stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: (directory.parent / "socket").exists() or bool(failed))
        yield
    finally:
        stop.request()
        thread.join()
    assert not failed


def fail_to_sign_in(directory: Path) -> None:
    with Store.open(directory) as store:
        store.append_many(
            {"category": "authentication", "action": "login_failed", "username": "ada", "ip_address": "203.0.113.9"}
            for _ in range(20)
        )


def findings(directory: Path) -> set[str]:
    """The rules that found something."""
    events = Reader(directory).read()
    return {event.metadata["rule"] for event in events if event.action == "finding" and event.metadata}


def test_what_comes_while_the_server_runs_is_looked_at(tmp_path: Path) -> None:
    """A finding is an event of the store, written by the server; its state is there when it has stopped."""
    directory = tmp_path / "data"
    Store.open(directory).close()
    with serving(directory):
        wait_until(lambda: (directory / "detect.lock").exists())
        wait_until(lambda: fail_to_sign_in(directory) or {"brute-force-address"} <= findings(directory))
    assert (directory / "detect.state").exists()


def test_detection_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing looks, and no state is made."""
    monkeypatch.setenv("STONELOG_DETECT_ENABLED", "false")
    directory = tmp_path / "data"
    with serving(directory):
        fail_to_sign_in(directory)
    assert not findings(directory)
    assert not (directory / "detect.lock").exists()
