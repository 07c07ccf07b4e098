"""The application as others use it."""

import subprocess
import sys

import pytest
from fastapi import FastAPI

from stonelog.api import create_app
from stonelog.filestore import Store


def test_front_door():
    """`from stonelog.api import create_app` is all that an embedding program needs."""
    import stonelog.api

    assert "create_app" in stonelog.api.__all__
    assert all(getattr(stonelog.api, name) for name in stonelog.api.__all__ if name != "StructlogProcessor")
    with pytest.raises(AttributeError, match="nonesuch"):
        stonelog.api.nonesuch


def test_front_door_is_cheap():
    """Importing the package loads neither the web framework nor the index."""
    code = (
        "import stonelog.api, sys; print(sorted({'fastapi', 'uvicorn', 'sqlite3', 'apscheduler'} & sys.modules.keys()))"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_directory_is_enough(get, seven, kind):
    """The application answers from a directory alone, with the writer elsewhere."""
    app = create_app(kind(seven.directory))
    assert get("/v1/count", app=app).json() == {"count": 7}
    app.state.access.close()


def test_a_directory_may_come_later(get, tmp_path):
    """Made before there is a store, the application finds its first event."""
    app = create_app(tmp_path / "later")
    assert get("/v1/count", app=app).json() == {"count": 0}
    with Store.open(tmp_path / "later") as store:
        store.append(category="api", action="read")
    assert get("/v1/count", app=app).json() == {"count": 1}
    app.state.access.close()


def test_it_writes_nothing(get, tmp_path):
    """Asking makes no file and no directory."""
    app = create_app(tmp_path / "none")
    for path in ("/v1/events", "/v1/stats", "/v1/facets?field=level", "/readyz"):
        get(path, app=app)
    app.state.access.close()
    assert not (tmp_path / "none").exists()


def test_two_stores_under_two_prefixes(get, tmp_path):
    """Several applications live in one process, each with its own store."""
    host = FastAPI()
    apps = []
    for name, events in (("a", 1), ("b", 2)):
        with Store.open(tmp_path / name) as store:
            store.append_many({"category": "api", "action": "read"} for _ in range(events))
        apps.append(create_app(tmp_path / name))
        host.mount(f"/{name}", apps[-1])
    assert [get(f"/{name}/v1/count", app=host).json()["count"] for name in "ab"] == [1, 2]
    for app in apps:
        app.state.access.close()
