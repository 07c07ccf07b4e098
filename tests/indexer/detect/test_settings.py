"""The section [detect]; what each setting changes is shown in the tests of what it is for."""

import pytest

from stonelog.filestore import InvalidSetting, load_section
from stonelog.indexer.detect import DetectSettings


def test_lists_come_from_the_environment_too(tmp_path, monkeypatch):
    """With commas or as JSON; a command keeps its arguments."""
    monkeypatch.setenv("STONELOG_DETECT_DISABLED", "scanner, log-gap")
    monkeypatch.setenv("STONELOG_DETECT_COMMAND", '["/bin/sh", "-c", "a, b"]')
    settings = load_section(DetectSettings, tmp_path, "detect")
    assert settings.disabled == ("scanner", "log-gap")
    assert settings.command == ("/bin/sh", "-c", "a, b")


@pytest.mark.parametrize(
    ("key", "value"),
    [("WEBHOOK", "ftp://x"), ("LATE", "soon"), ("MAX_KEYS", "0"), ("NOTIFY_FROM", "loud"), ("COMMAND", "[1")],
)
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, key, value):
    """The message names the variable."""
    monkeypatch.setenv(f"STONELOG_DETECT_{key}", value)
    with pytest.raises(InvalidSetting, match=f"STONELOG_DETECT_{key}"):
        load_section(DetectSettings, tmp_path, "detect")
