"""What reaches a terminal: controls shown, width counted, colour only where it is wanted."""

import io
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.cli import terminal
from stonelog.api.cli.terminal import Progress, coloured, pad, put_line, report, visible, width


class Screen(io.TextIOWrapper):
    """A terminal as far as Python can tell."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()


@pytest.fixture
def screen(monkeypatch):
    """Standard output and standard error are one terminal."""
    screen = Screen()
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdout=screen, stderr=screen))
    monkeypatch.setenv("TERM", "xterm")
    return screen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größe 自由 สิทธิ", "größe 自由 สิทธิ"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x00\x07\x7f", "\\u0000\\u0007\\u007f"),
        ("\x9b31m\x85", "\\u009b31m\\u0085"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("\u2028\u2029\ufeff\u200e", "\\u2028\\u2029\\ufeff\\u200e"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("می\u200cخواهم 👩\u200d💻\u3000\xa0", "می\u200cخواهم 👩\u200d💻\u3000\xa0"),
    ],
)
def test_S02_controls_are_shown_not_obeyed(text, shown):
    """Every control, escape, C1 byte, line separator and turn of direction is written out; writing stays as it is."""
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_S02_no_text_gets_a_control_through(text):
    """Nothing shown is a control, surrogate, line separator or (joiners apart) format character."""
    shown = visible(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert {char for char in shown if unicodedata.category(char) == "Cf"} <= {"\u200c", "\u200d"}


def test_S02_a_raw_line_to_a_terminal_is_escaped_as_json(screen):
    """A line with raw C1 controls (another hand wrote it) reaches a terminal as JSON escapes."""
    put_line('{"message":"\x9b31m\u202e"}'.encode())
    assert screen.text() == '{"message":"\\u009b31m\\u202e"}\n'


def test_a_raw_line_to_a_pipe_is_untouched(capfdbinary):
    """Bytes come out as they are in the file, valid or not."""
    put_line(b'{"message":"\xff\x9b"}')
    terminal.flush()
    assert capfdbinary.readouterr().out == b'{"message":"\xff\x9b"}\n'


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("自由", 4), ("e\u0301", 1), ("ｱ", 1), ("Ａ", 2), ("", 0)])
def test_width_counts_columns(text, columns):
    """Wide characters take two columns, combining marks none."""
    assert width(text) == columns


def test_pad_fills_by_columns():
    """Padding goes by columns, not characters, and never cuts."""
    assert pad("自由", 6) == "自由  "
    assert pad("longer", 3) == "longer"


def test_colour_stands_on_a_terminal(screen):
    """A level with a colour has it on a terminal; info has none."""
    assert coloured("ERROR", "error") == "\x1b[31mERROR\x1b[0m"
    assert coloured("INFO", "info") == "INFO"


@pytest.mark.parametrize(("key", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(screen, monkeypatch, key, value):
    """NO_COLOR and a dumb terminal get none."""
    monkeypatch.setenv(key, value)
    assert coloured("ERROR", "error") == "ERROR"


def test_an_empty_no_color_is_no_wish(screen, monkeypatch):
    """NO_COLOR counts when it is present and not empty (no-color.org)."""
    monkeypatch.setenv("NO_COLOR", "")
    assert coloured("ERROR", "error") != "ERROR"


def test_no_colour_in_a_pipe(capfd):
    """Standard output that is no terminal gets none."""
    assert coloured("ERROR", "error") == "ERROR"


def test_report_is_one_line(capsys):
    """Line ends and controls in a message of error do not make a second line."""
    report("bad\nthing \x1b[2J here")
    assert capsys.readouterr().err == "stonelog: bad thing \\u001b[2J here\n"


def test_progress_keeps_quiet_about_short_work(screen):
    """Work of less than half a second shows nothing."""
    with Progress("reading") as progress:
        progress(1, 10)
    assert screen.text() == ""


def test_progress_shows_long_work_and_wipes_it(screen, monkeypatch):
    """After half a second the share and the whole are shown; at the end the line is empty again."""
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Progress("reading") as progress:
        now += 1
        progress(5_000_000, 10_000_000)
        assert "reading" in screen.text()
        assert "50% of 10.0 MB" in screen.text()
    assert screen.text().endswith("\r\x1b[K")


def test_progress_wipes_itself_when_all_is_done(screen, monkeypatch):
    """What is printed then stands on an empty line; a next piece of work has its own rate."""
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Progress("scanning") as progress:
        progress(2_000_000, 10_000_000)
        now += 1
        progress(5_000_000, 10_000_000)
        progress(10_000_000, 10_000_000)
        assert screen.text().endswith("\r\x1b[K")
        now += 1
        progress(1_000_000, 10_000_000)
        now += 1
        progress(2_000_000, 10_000_000)
        assert screen.text().rpartition("\r")[2].endswith("1.0 MB/s, 8 s left")


@pytest.mark.parametrize(
    ("total", "left"), [(4_000_000, "1 s left"), (400_000_000, "3 min 19 s left"), (20_000_000_000, "2 h 46 min left")]
)
def test_progress_tells_rate_and_time_left(screen, monkeypatch, total, left):
    """Both count from the first call: what was done before it took no time."""
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Progress("indexing") as progress:
        progress(1_000_000, total)
        now += 1
        progress(3_000_000, total)
        assert f"2.0 MB/s, {left}" in screen.text()


def test_progress_of_unknown_length_counts(screen, monkeypatch):
    """Where the whole is not known, what is done is shown."""
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Progress("reading") as progress:
        now += 1
        progress(5_000_000, 0)
    assert "reading 5.0 MB" in screen.text()


def test_progress_is_for_terminals(capsys, monkeypatch):
    """A log file that standard error goes to gets no progress."""
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Progress("reading") as progress:
        now += 1
        progress(1, 2)
    assert capsys.readouterr().err == ""
