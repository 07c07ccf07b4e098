"""How fast the store is, each figure beside a reference that was measured in the same run on the same disk."""

from .append import measure_append
from .capture import measure_capture
from .figure import Figure, Target
from .growth import Earlier
from .index import index_rounds, measure_index
from .machine import Machine
from .query import PEERS, RUNS, measure_query
from .report import as_document, as_lines
from .rounds import ROUNDS, Notice
from .verdict import verdict_lines, verdicts

__all__ = [
    "PEERS",
    "ROUNDS",
    "RUNS",
    "Earlier",
    "Figure",
    "Machine",
    "Notice",
    "Target",
    "as_document",
    "as_lines",
    "index_rounds",
    "measure_append",
    "measure_capture",
    "measure_index",
    "measure_query",
    "verdict_lines",
    "verdicts",
]
