import json
import sys

import pytest

from stonelog.api.ingest import FORMATS, Rejected, ingest
from stonelog.filestore import DiskFull, InvalidSetting, Quarantine, Store

LINE = b'{"category":"api","action":"read","message":"%d"}\n'


def test_order_and_counts_over_many_batches(intake):
    """Events stand in the order of the lines, whatever the batches, and read is appended + rejected."""
    data = b"".join(LINE % number if number % 500 else b"bad\n" for number in range(3_500))
    result = intake(data)
    assert (result.read, result.appended, result.rejected) == (3_500, 3_493, 7)
    assert [event["message"] for event in intake.events()] == [str(n) for n in range(3_500) if n % 500]
    assert result.seconds > 0


def test_an_event_too_large_is_rejected_alone(intake):
    """A line that is too long as an event is rejected; those of its batch before and after it go in, in order."""
    big = json.dumps({"category": "api", "action": "read", "message": "x" * 70_000}).encode() + b"\n"
    result = intake(LINE % 1 + big + LINE % 2 + big + big + LINE % 3)
    assert (result.read, result.appended, result.rejected) == (6, 3, 3)
    assert [event["message"] for event in intake.events()] == ["1", "2", "3"]
    rejects = intake.rejects(result)
    assert [line for line, _, _ in rejects] == [2, 4, 5]
    assert "at most 65,535 are allowed" in rejects[0][2]
    assert "event 1" not in rejects[0][2]


def test_each_source_has_its_own_file_in_quarantine(intake):
    """Rejected lines of two sources stand in two files; a clean source makes none."""
    result = intake(b"bad\n", LINE % 1, b"worse\n")
    assert len(result.quarantined) == 2
    assert intake.rejected_bytes(result) == b"bad\nworse\n"
    assert result.first_reason.endswith("input0.log:1: column 1: expected a value, found 'b'")


def test_S05_a_refused_line_is_kept_without_what_is_secret_in_it(intake):
    """Nor does the reason show it; the rest of the line, whatever its bytes, is as it was."""
    lines = b'{"category":"api","password":"hunter2","\xff":1}\n{"category":"api","action":"GET /?token=abc123def"}\n'
    result = intake(lines)
    kept = intake.rejected_bytes(result)
    assert b"hunter2" not in kept
    assert b"abc123def" not in kept
    assert b"\xff" in kept
    assert kept.startswith(b'{"category":"api","password":"[redacted:password]"')
    assert all("hunter2" not in reason and "abc123def" not in reason for _, _, reason in intake.rejects(result))
    assert "abc123def" not in result.first_reason


def test_a_clean_run_leaves_no_quarantine(intake):
    """Nothing is made in quarantine/ while nothing was rejected."""
    result = intake(LINE % 1)
    assert (result.quarantined, result.first_reason) == ([], None)


def test_progress_ends_at_the_stored_size(intake, tmp_path):
    """Progress never falls, and ends with all stored bytes of all sources."""
    seen = []
    intake(LINE * 10, LINE * 30_000, progress=lambda done, total: seen.append((done, total)))
    total = len(LINE) * 30_010
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_errors_of_the_store_stop_the_run_and_say_how_far_it_came(intake, monkeypatch):
    """DiskFull leaves ingest with a note of the counts; lines rejected before are in quarantine."""
    appended = intake.store.append_many
    calls = []

    def fails(events):
        calls.append(len(events))
        if len(calls) == 2:
            raise DiskFull("no space")
        return appended(events)

    monkeypatch.setattr(intake.store, "append_many", fails)
    with pytest.raises(DiskFull) as caught:
        intake(b"bad\n" + LINE * 2_500)
    assert caught.value.__notes__[0].endswith("stopped after 1,001 read, 1,000 appended, 1 rejected (all sources)")
    assert list((intake.directory / "quarantine").glob("*.rejected"))


class Feed:
    """A standard input that gives one line at each read and looks what is in the store before the next."""

    def __init__(self, intake, line):
        self.intake, self.line, self.seen = intake, line, []
        self.buffer = self

    def read1(self, _size):
        self.seen.append(len(self.intake.events()))
        return self.line if len(self.seen) < 4 else b""

    read = read1


@pytest.mark.parametrize(
    ("format_name", "line"),
    [("ndjson", LINE % 1), ("suricata", b'{"timestamp":"2019-01-02T03:50:11Z","event_type":"dns"}\n')],
)
def test_a_live_input_is_not_held_back(intake, monkeypatch, format_name, line):
    """What a pipe has given so far is in the store before more of it is waited for."""
    feed = Feed(intake, line)
    monkeypatch.setattr(sys, "stdin", feed)
    result = intake("-", format=format_name)
    assert (feed.seen, result.appended) == ([0, 1, 2, 3], 3)


def test_an_unknown_format_is_named_with_the_nearest(intake):
    """A wrong name of a format is refused with the known ones and the nearest."""
    with pytest.raises(
        InvalidSetting, match=r"'cloudtrial' is not known; known are ndjson, .* did you mean cloudtrail"
    ):
        intake(b"", format="cloudtrial")


def test_a_map_goes_with_ndjson_only(intake, tmp_path):
    """A map for a format that has its own fields is refused rather than ignored."""
    with pytest.raises(InvalidSetting, match="ndjson only"):
        intake(b"", format="combined", mapping=tmp_path / "map.toml")


def test_no_sources_read_nothing(tmp_path):
    """No source is no error and no event."""
    with Store.open(tmp_path / "data") as store:
        result = ingest(store, [], quarantine=Quarantine(tmp_path / "data"))
        assert (result.read, result.appended) == (0, 0)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "data", [b"\xff\xfe\0\n", b"{}\n", b"[]\n", b"null\n", b"\0" * 100 + b"\n", b"{\n", b'""\n', b"- - -\n"]
)
def test_no_format_fails_on_garbage(intake, format_name, data):
    """Whatever a line holds, it is appended or rejected with one line of reason, and the run goes on."""
    result = intake(data, format=format_name)
    assert result.read == result.appended + result.rejected
    assert all("\n" not in reason for _, _, reason in intake.rejects(result))


HOSTILE = [
    "a", " ", '"', "\\", '\\"', "[", '] "', " [", " from ", "user ", " port 22", "logname= rhost=", "' to group '",
    " ; USER=x ;", ": TTY=a ; PWD=b ; USER=c ; ENV=d ;", " : ", "1", "0.", '" 200 ', "{", '{"a":', "\\x41", "T", "-",
]  # fmt: skip
REQUEST = "1.2.3.4 - - [17/May/2015:10:05:03 +0000]"
HEADS = {
    "combined": ["", f'{REQUEST} "GET /', f'{REQUEST} "GET / HTTP/1.1" 200 1 "'],
    "auth": ["", *(f"Mar 27 13:06:56 host {rest}" for rest in (
        "", "sshd[1]: Failed password for ", "sshd[1]: Accepted publickey for a from 1.2.3.4 port 1 ssh2: RSA SHA256:",
        "sshd[1]: Disconnecting invalid user ", "sshd[1]: Connection closed by invalid user ", "sshd: User ",
        "sshd[1]: Received disconnect from ", "sshd[1]: Bad protocol version identification '",
        "sshd[1]: Invalid user ",
        "sshd[1]: pam_unix(sshd:auth): authentication failure; logname= ", "sudo: pam_unix(", "sudo: x : PWD=",
        "sudo: ", "su: FAILED SU (to ", "login: FAILED LOGIN (1) on '", "useradd: add '", "passwd: password for '",
        "systemd-logind: New session ", "CRON[1]: (", "sshd[1]: message repeated 2 times: [ ",
    ))],
    "nginx-json": ['{"time":"'], "cloudtrail": ['{"eventName":"'], "suricata": ['{"timestamp":"'],
    "otlp-json": ['{"resourceLogs":"'], "ndjson": ['{"category":"'],
}  # fmt: skip


@pytest.mark.parametrize("format_name", FORMATS)
def test_S08_hostile_repetition_costs_its_length(format_name):
    """256 KiB of any repeated piece after any head of a line is taken or refused without backtracking."""
    form = FORMATS[format_name]()
    for head in HEADS[format_name]:
        for piece in HOSTILE:
            line = (head + piece * (262_144 // len(piece))).encode()
            for data in (line, line + b'"}', line + b" x"):
                try:
                    list(form.events(data))
                except Rejected as rejected:
                    assert "\n" not in str(rejected)
