"""The benchmark of the middleware, in small: every figure is there and is a number, and nothing is left behind."""

import math
import multiprocessing
from pathlib import Path

from stonelog.api.bench.capture import measure_capture


def test_the_figures(tmp_path: Path) -> None:
    """Added latency, requests a second, and the event loop while the disk stalls, with the targets of the project."""
    figures = list(measure_capture(tmp_path, 64, rounds=1))
    targets = {each.name: (each.target.at, each.target.limit, each.target.of) for each in figures if each.target}
    assert targets == {
        "added to a request, p50": ("most", 0.00015, "ours"),
        "requests, 32 clients, a page of JSON": ("least", 0.9, "ratio"),
        "event loop late, disk stalled": ("most", 0.005, "ours"),
        "redacted, scored, written and looked at by all rules, a core": ("least", 25_000, "ours"),
    }
    assert len(figures) == 7
    assert all(math.isfinite(each.ours) and 0 < each.reference < math.inf for each in figures)
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []
