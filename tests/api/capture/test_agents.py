"""What a user agent is, and that finding out never takes long."""

import sys

import pytest

from stonelog.api.capture.agents import Agents

CHROME = "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML) Chrome/112.0.0.0 Mobile Safari/537.36"


class Ticking:
    """A clock on which everything takes one second."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_family_os_and_device() -> None:
    """What ua-parser knows is told."""
    pytest.importorskip("ua_parser", reason="ua-parser is not installed")
    assert Agents().agent(CHROME) == {"family": "Chrome Mobile", "os": "Android", "device": "Samsung SM-S901B"}


def test_nothing_is_told_of_nothing() -> None:
    """An agent that nobody knows, none at all, or ua-parser turned off: no agent."""
    assert Agents().agent("zzz") is None
    assert Agents().agent("") is None
    assert Agents(enabled=False).agent(CHROME) is None


def test_without_ua_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: without it nothing is told, and nothing fails."""
    monkeypatch.setattr("stonelog.api.capture.agents.find_spec", lambda name: None)
    assert Agents().agent(CHROME) is None


def test_new_agents_cannot_take_up_the_time() -> None:
    """Once what may be spent is spent, new agents are not told until time has passed; known ones are."""
    pytest.importorskip("ua_parser", reason="ua-parser is not installed")
    clock = Ticking()
    agents = Agents(clock=clock)
    assert agents.agent("curl/8.4.0") == {"family": "curl"}
    assert agents.agent(CHROME) is None
    assert agents.agent("curl/8.4.0") == {"family": "curl"}
    clock.now += 60
    assert agents.agent(CHROME) is not None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that send another text each time do not fill the memory."""
    pytest.importorskip("ua_parser", reason="ua-parser is not installed")
    monkeypatch.setattr("stonelog.api.capture.agents._KEPT", 10)
    agents = Agents(clock=Ticking(0.0))
    for number in range(30):
        agents.agent(f"curl/{number}")
    assert len(agents._kept) == 10


def test_loading_the_middleware_loads_no_parser() -> None:
    """ua-parser is loaded when a middleware that wants it is made."""
    import subprocess

    code = "import sys; import stonelog.api.capture.asgi; print('ua_parser' in sys.modules, 'starlette' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout == "False False\n"
