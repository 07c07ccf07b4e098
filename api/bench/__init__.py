"""How fast the store is, each figure beside a reference that was measured in the same run on the same disk."""

from .append import measure_append
from .figure import Figure, Target
from .machine import Machine
from .report import as_document, as_lines
from .rounds import ROUNDS, Notice

__all__ = ["ROUNDS", "Figure", "Machine", "Notice", "Target", "as_document", "as_lines", "measure_append"]
