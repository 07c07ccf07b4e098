"""Samples of the process, its machine and its event loop."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from stonelog.api.capture.cached import Counted
from stonelog.api.capture.sampler import MEASURES, Sampler
from stonelog.filestore import Store


class Psutil:
    """A machine and a process as the test says; what it does not say cannot be measured."""

    def __init__(self) -> None:
        self.memory = 50.0
        self.free = 1_000_000
        self.asked: list[str] = []

    def Process(self) -> Any:
        def refused() -> Any:
            raise PermissionError

        memory = SimpleNamespace(rss=2**20)
        return SimpleNamespace(
            cpu_percent=lambda: 12.5, memory_info=lambda: memory, num_threads=lambda: 3, open_files=refused
        )

    def cpu_percent(self) -> float:
        return 25.0

    def virtual_memory(self) -> Any:
        return SimpleNamespace(percent=self.memory, available=2**30)

    def disk_usage(self, path: str) -> Any:
        self.asked.append(path)
        return SimpleNamespace(percent=40.0, free=self.free)

    def getloadavg(self) -> tuple[float, float, float]:
        return 0.5, 0.4, 0.3


@pytest.fixture
def machine() -> Psutil:
    return Psutil()


def test_a_sample_is_one_event_of_plain_numbers(store: Store, machine: Psutil, written: Any) -> None:
    """What cannot be measured is left out; the disk is the one with the store."""
    found = Sampler(store, psutil=machine).sample()
    (event,) = written()
    assert (event["level"], event["category"], event["action"]) == ("info", "system_management", "system_sample")
    assert event["metadata"] == found
    assert found == {
        "process_cpu_percent": 12.5,
        "process_rss_bytes": 2**20,
        "process_threads": 3,
        "cpu_percent": 25.0,
        "memory_percent": 50.0,
        "memory_available_bytes": 2**30,
        "disk_percent": 40.0,
        "disk_free_bytes": 1_000_000,
        "load_1m": 0.5,
        "load_5m": 0.4,
    }
    assert machine.asked == [str(store.directory)]


def test_a_limit_is_told_once_on_the_way_there_and_once_back(store: Store, machine: Psutil, written: Any) -> None:
    """Samples in between have the level warning; of what is free, too little is beyond."""
    sampler = Sampler(store, psutil=machine, limits={"memory_percent": 90, "disk_free_bytes": 1000})
    for memory, free in ((50, 5000), (95, 5000), (96, 10), (90, 1000)):
        machine.memory, machine.free = memory, free
        sampler.sample()
    told = [(event["level"], event["action"], event["metadata"].get("measure")) for event in written()]
    assert told == [
        ("info", "system_sample", None),
        ("warning", "system_sample", None),
        ("warning", "threshold_exceeded", "memory_percent"),
        ("warning", "system_sample", None),
        ("warning", "threshold_exceeded", "disk_free_bytes"),
        ("info", "system_sample", None),
        ("notice", "threshold_cleared", "disk_free_bytes"),
        ("notice", "threshold_cleared", "memory_percent"),
    ]


def test_what_cannot_be_measured_once_has_not_come_back(store: Store, machine: Psutil, written: Any) -> None:
    """A measure that is beyond its limit stays so until it is seen within."""
    sampler = Sampler(store, psutil=machine, limits={"memory_percent": 90})
    for memory in (95, None, 96):
        machine.memory = memory  # type: ignore[assignment]
        sampler.sample()
    assert [event["action"] for event in written()].count("threshold_exceeded") == 1


def test_a_limit_of_no_measure_is_refused(machine: Psutil) -> None:
    """The nearest name is told."""
    with pytest.raises(ValueError, match="did you mean 'memory_percent'"):
        Sampler(psutil=machine, limits={"memory_percents": 1})


def test_the_lag_of_a_loop_is_how_long_it_takes_to_answer(store: Store, machine: Psutil) -> None:
    """By the clock that is given, from asking to the call."""
    now = [10.0]

    class Busy:
        def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
            now[0] += 0.25
            call()

    sampler = Sampler(store, psutil=machine, loop=Busy(), clock=lambda: now[0])  # type: ignore[arg-type]
    assert sampler.sample()["loop_lag_ms"] == 250.0


def test_a_running_loop_answers_and_a_closed_one_is_left_out(store: Store, machine: Psutil) -> None:
    """The loop goes on meanwhile."""

    async def program() -> dict[str, float]:
        sampler = Sampler(store, psutil=machine, loop=asyncio.get_running_loop())
        return await asyncio.to_thread(sampler.sample)

    assert asyncio.run(program())["loop_lag_ms"] >= 0
    closed = asyncio.new_event_loop()
    closed.close()
    assert "loop_lag_ms" not in Sampler(store, psutil=machine, loop=closed).sample()


def test_stopping_does_not_wait_for_the_loop(store: Store, machine: Psutil) -> None:
    """The one that stops may be the loop itself, which cannot answer meanwhile."""
    sampler: Sampler

    class Stopping:
        def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
            sampler.stop()

    sampler = Sampler(store, psutil=machine, loop=Stopping())  # type: ignore[arg-type]
    assert "loop_lag_ms" not in sampler.sample()


def test_those_registered_report_at_each_sample(store: Store, machine: Psutil, written: Any) -> None:
    """One that fails keeps no other from it."""
    broken = SimpleNamespace(report=lambda store: 1 / 0)
    sampler = Sampler(store, psutil=machine, reporters=[broken])
    sampler.register(Counted({}, name="users"))
    sampler.sample()
    assert [event["action"] for event in written()] == ["system_sample", "cache_stats"]


def test_the_thread_samples_until_it_is_stopped(store: Store, machine: Psutil) -> None:
    """Started twice it is one; stopped, it can be started again."""
    samples = threading.Semaphore(0)
    sampler = Sampler(store, every=0.001, psutil=machine)
    sampler.register(SimpleNamespace(report=lambda store: samples.release()))
    for _ in range(2):
        with sampler:
            sampler.start()
            assert samples.acquire(timeout=20)
            assert samples.acquire(timeout=20)
            assert [thread.name for thread in threading.enumerate()].count("stonelog-sampler") == 1
        assert "stonelog-sampler" not in [thread.name for thread in threading.enumerate()]


def test_a_broken_store_breaks_no_sample(broken: Any, machine: Psutil, lost: Callable[[], int]) -> None:
    """It is measured all the same, and counted as lost."""
    assert Sampler(broken, psutil=machine).sample()["cpu_percent"] == 25.0
    assert lost() == 1


def test_this_machine_is_measured(store: Store) -> None:
    """With psutil itself: names are those that are documented, values are numbers."""
    pytest.importorskip("psutil", reason="psutil is not installed")
    found = Sampler(store).sample()
    assert found.keys() <= MEASURES.keys()
    assert {"process_rss_bytes", "memory_percent", "disk_free_bytes", "process_fds"} <= found.keys()
