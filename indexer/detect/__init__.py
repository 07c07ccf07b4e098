"""Detection: rules over events as they come, and the same over those that are there; what they find is an event too."""

from __future__ import annotations

from .detector import Detector, DetectorStatus
from .engine import Engine
from .finding import SEVERITIES, Finding, Severity
from .history import look_back
from .loading import InvalidRule, LoadedRules, Prepared, load_rules, read_rules, shipped_rules
from .notify import Notifier
from .rules import FORMS, Rule
from .settings import DetectSettings
from .state import State, read_state, state_file, write_state

__all__ = [
    "FORMS",
    "SEVERITIES",
    "DetectSettings",
    "Detector",
    "DetectorStatus",
    "Engine",
    "Finding",
    "InvalidRule",
    "LoadedRules",
    "Notifier",
    "Prepared",
    "Rule",
    "Severity",
    "State",
    "load_rules",
    "look_back",
    "read_rules",
    "read_state",
    "shipped_rules",
    "state_file",
    "write_state",
]
