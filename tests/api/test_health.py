"""Liveness and readiness."""

import os
import shutil

import pytest

from stonelog.api import health
from stonelog.api.app import create_app
from stonelog.indexer import Worker


@pytest.fixture
def worker(store):
    made = Worker(store.directory, poll_seconds=0.01)
    yield made
    made.stop()


@pytest.fixture
def watched(store, worker):
    app = create_app(store, worker=worker)
    yield app
    app.state.access.close()


def test_alive(get, store):
    """/livez is 200 while the process answers, and a probe may add what it likes to the address."""
    assert get("/livez?cachebuster=1").json() == {"status": "alive"}


def test_alive_without_a_directory(get, store):
    """/livez asks nothing of the store."""
    shutil.rmtree(store.directory)
    assert get("/livez").status_code == 200


def test_ready(get, watched, worker):
    """With a store that takes events and an indexer that runs, everything is right."""
    worker.start()
    answer = get("/readyz", app=watched)
    assert answer.status_code == 200
    body = answer.json()
    assert body["ready"] is True
    assert set(body["checks"]) == {"directory", "store", "index_worker", "index_lag"}
    assert all(check["ok"] for check in body["checks"].values())


def test_not_ready_without_its_worker(get, watched, worker):
    """With an indexer that does not run, /readyz is 503 and says so."""
    answer = get("/readyz", app=watched)
    assert answer.status_code == 503
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == "urn:stonelog:problem:not-ready"
    assert body["ready"] is False
    assert "index_worker" in body["detail"]
    assert body["checks"]["index_worker"]["ok"] is False


def test_reader_has_no_store_to_check(get, seven):
    """An application that only reads tells of the directory and the lag, which is no reason where nobody indexes."""
    app = create_app(seven.directory)
    body = get("/readyz", app=app).json()
    app.state.access.close()
    assert body["ready"] is True
    assert set(body["checks"]) == {"directory", "index_lag"}
    assert body["checks"]["index_lag"]["detail"] == "7 of 7 events behind"


def test_not_ready_while_the_index_is_far_behind(get, seven, watched, worker, monkeypatch):
    """With an indexer that has more to do than a scan should, /readyz is 503 until it has caught up."""
    monkeypatch.setattr(health, "READY_LAG", 6)
    body = get("/readyz", app=watched).json()
    assert "index_lag: 7 of 7 events behind" in body["detail"]


def test_not_ready_without_a_directory(get, tmp_path):
    """When the directory is not there /readyz is 503, and does not tell where it should be."""
    app = create_app(tmp_path / "none")
    answer = get("/readyz", app=app)
    app.state.access.close()
    assert answer.status_code == 503
    assert answer.json()["checks"]["directory"]["ok"] is False
    assert str(tmp_path) not in answer.text


def test_not_ready_when_the_store_cannot_be_written(get, store, monkeypatch):
    """A store whose directory has become read-only takes no events, and /readyz says so."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    answer = get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["store"]["ok"] is False
