import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime

import pytest

from stonelog.api.ingest import Options, Rejected
from stonelog.api.ingest.auth import Auth
from stonelog.indexer import Index

IP = "192.0.2.1"
FAILURE = (
    r" sshd\[[0-9]+\]: (message repeated [0-9]+ times: \[ )?"
    r"(Failed [^ ]+ for |Invalid user |error: maximum authentication attempts exceeded for "
    r"|Disconnecting: Too many authentication failures|PAM [0-9]+ more authentication failures?; "
    r"|pam_unix\(sshd:auth\): authentication failure; )"
)
"""Which lines of the real log are authentication failures, for `zgrep -c -E`."""


def event(text, head="Mar 27 13:06:56 web"):
    (made,) = Auth(Options(year=2026)).events(f"{head} {text}\n".encode())
    return made


def who(text):
    made = event(text)
    return made["action"], made["outcome"], made.get("username"), made.get("ip_address")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sshd[1]: Accepted password for ada from 192.0.2.1 port 22 ssh2", ("login", "success", "ada", IP)),
        (
            "sshd[1]: Accepted publickey for ada from 2001:db8::1 port 22 ssh2: RSA SHA256:Kl+N/k0",
            ("login", "success", "ada", "2001:db8::1"),
        ),
        ("sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2", ("login_failed", "failure", "root", IP)),
        ("sshd[1]: Invalid user ubnt from 192.0.2.1 port 5", ("invalid_user", "failure", "ubnt", IP)),
        ("sshd[1]: Invalid user ubnt from 192.0.2.1", ("invalid_user", "failure", "ubnt", IP)),
        (
            "sshd[1]: error: maximum authentication attempts exceeded for invalid user a from 192.0.2.1 port 2 ssh2",
            ("too_many_attempts", "failure", "a", IP),
        ),
        (
            "sshd[1]: Disconnecting invalid user a b 192.0.2.1 port 2: Too many authentication failures [preauth]",
            ("too_many_attempts", "failure", "a b", IP),
        ),
        (
            "sshd[1]: pam_unix(sshd:auth): authentication failure; logname= euid=0 ruser= rhost=192.0.2.1  user=a",
            ("authentication_failure", "failure", "a", IP),
        ),
        ("sshd[1]: User a from 192.0.2.1 not allowed because listed in DenyUsers", ("not_allowed", "failure", "a", IP)),
        ("sshd[1]: Connection closed by 192.0.2.1 port 9 [preauth]", ("disconnect", None, None, IP)),
        ("sshd[1]: Connection closed by invalid user x y 192.0.2.1 port 9 [preauth]", ("disconnect", None, "x y", IP)),
        ("sshd[1]: Disconnected from user ada 192.0.2.1 port 9", ("disconnect", None, "ada", IP)),
        ("sshd[1]: Received disconnect from ::1 port 9:11: bye: bye", ("disconnect", None, None, "::1")),
        ("sshd[1]: pam_unix(sshd:session): session closed for user ada", ("logout", None, "ada", None)),
        ("su[1]: FAILED su for root by bob", ("switch_user", "failure", "bob", None)),
        ("su: (to root) bob on pts/1", ("switch_user", "success", "bob", None)),
        ("systemd-logind[1]: New session 17 of user ada.", ("session_opened", "success", "ada", None)),
        (
            "sudo:  bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            ("login_failed", "failure", "bob", None),
        ),
    ],
)
def test_lines_about_authentication_are_read(text, expected):
    """Who, from where, what and how it ended, for each program."""
    assert who(text) == expected
    assert event(text)["category"] == "authentication"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", ""),
        (" ", " "),
        ("a b", "a b"),
        ("from", "from"),
        ("x from 203.0.113.9 port 1 ssh2", "x from 203.0.113.9 port 1 ssh2"),
        ("root from 203.0.113.9 port 1 ssh2: RSA SHA256:abc", "root from 203.0.113.9 port 1 ssh2: RSA SHA256:abc"),
        ("invalid user y", "invalid user y"),
        ("x [preauth]", "x [preauth]"),
        ("\u202eevil", "\u202eevil"),
    ],
)
def test_an_attacker_cannot_move_the_address(name, told):
    """Whatever the name is, user and address are those that sshd meant."""
    failed = f"sshd[1]: Failed password for invalid user {name} from 192.0.2.1 port 22 ssh2"
    assert who(failed) == ("login_failed", "failure", told, "192.0.2.1")
    assert who(f"sshd[1]: Invalid user {name} from 192.0.2.1 port 22")[2:] == (told, "192.0.2.1")
    assert who(f"sshd[1]: message repeated 2 times: [ {failed[9:]}]")[2:] == (told, "192.0.2.1")


def test_a_repeated_message_is_one_event_that_says_how_often():
    """`message repeated 5 times` is one event with metadata.repeated, and the whole message."""
    text = "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]"
    made = event(f"sshd[7]: {text}")
    assert made["metadata"] == {"pid": 7, "repeated": 5, "method": "password", "port": 22}
    assert made["message"] == text


def test_sudo_and_accounts_have_their_own_categories():
    """A sudo command is authorization, an account made or a password changed user management."""
    made = event("sudo:   ada : TTY=pts/0 ; PWD=/home/ada ; USER=root ; COMMAND=/bin/sh -c x ; USER=y ; COMMAND=z")
    assert (made["category"], made["action"], made["outcome"]) == ("authorization", "sudo_command", "success")
    assert made["metadata"] == {
        "tty": "pts/0", "pwd": "/home/ada", "run_as": "root", "command": "/bin/sh -c x ; USER=y ; COMMAND=z",
    }  # fmt: skip
    made = event("sudo: eve : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh")
    assert (made["category"], made["outcome"], made["level"]) == ("authorization", "failure", "warning")
    made = event("useradd[1]: new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/bash")
    assert (made["category"], made["action"], made["entity_type"], made["entity_name"]) == (
        "user_management", "create", "user", "bob",
    )  # fmt: skip
    made = event("chpasswd[1]: pam_unix(chpasswd:chauthtok): password changed for bob")
    assert (made["category"], made["action"], made["outcome"]) == ("user_management", "password_change", "success")


@pytest.mark.parametrize(
    "text",
    [
        "kernel: Failed password for x from 192.0.2.1 port 1 ssh2",
        "sshd[1]: Server listening on :: port 22.",
        "-- MARK --",
    ],
)
def test_other_lines_are_system_events_without_outcome(text):
    """A line that no rule knows, or of a program that has nothing to say here, is a system event."""
    made = event(text)
    assert (made["category"], made["action"], made.get("outcome")) == ("system_management", "system_event", None)


def test_a_client_that_is_no_address_is_kept():
    """A host name or UNKNOWN stands in metadata.client."""
    made = event("sshd[1]: Failed password for a from UNKNOWN port 65535 ssh2")
    assert made["ip_address"] is None
    assert made["metadata"]["client"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("head", "instant"),
    [("2026-03-27T13:06:56.123456+02:00 web", "2026-03-27T11:06:56.123456+00:00"),
     ("<38>Mar  7 13:06:56 web", "2026-03-07T13:06:56+00:00"),
     ("Mar 27 2017 13:06:56 web", "2017-03-27T13:06:56+00:00")],
)  # fmt: skip
def test_stamps_of_both_kinds_are_read(head, instant):
    """RFC 3339 stamps are taken as they are; RFC 3164 stamps have the given year and are UTC."""
    made = event("sshd[1]: Connection reset by 192.0.2.1 port 1", head)
    assert (made["time"].isoformat(), made["host"], made["service"]) == (instant, "web", "sshd")


@pytest.mark.parametrize(
    "line", ["", "hello", "Mar 27 13:06:56", "Mrz 27 13:06:56 h x", "Feb 30 13:06:56 h x", "Mar 27 25:06:56 h x"]
)
def test_what_is_no_syslog_line_is_rejected_by_name(line):
    """A line without time and host is refused."""
    with pytest.raises(Rejected, match=r"^time: "):
        list(Auth(Options(year=2026)).events(line.encode()))


def test_bytes_that_are_not_utf8_are_kept_visible():
    """A user name in another encoding is not lost."""
    (made,) = Auth().events(b"Mar 27 13:06:56 h sshd[1]: Invalid user \xe9\xff from 192.0.2.1")
    assert made["username"] == "\\xe9\\xff"


def test_the_real_log_agrees_with_zgrep(intake, shared):
    """Every line goes in, and authentication failures are as many as an independent zgrep counts."""
    path = shared("auth/auth_aws_host.log.gz")
    result = intake(path, format="auth")
    assert (result.read, result.appended, result.rejected) == (7_121, 7_121, 0)
    if not shutil.which("zgrep"):
        pytest.skip("zgrep is not here")
    counted = subprocess.run(["zgrep", "-c", "-E", FAILURE, path], capture_output=True, check=True).stdout
    with Index.open(intake.directory) as index:
        assert index.count("category:authentication outcome:failure") == int(counted) == 1_757


def test_the_real_log_has_the_known_figures(intake, shared):
    """Failed passwords, invalid users and logins are as many, of whom and whence, as is known of the file."""
    intake(shared("auth/auth_aws_host.log.gz"), format="auth")
    events = intake.events()
    failed = [event for event in events if "Failed password" in event["message"]]
    assert len(failed) == 713
    assert sum(event["message"].startswith("Invalid user") for event in events) == 178
    assert sum(event["action"] == "login" and event["outcome"] == "success" for event in events) == 226
    assert Counter(event["username"] for event in failed).most_common(5) == [
        ("root", 211), ("elastic_user_0", 148), ("admin", 141), ("", 43), ("ubnt", 33),
    ]  # fmt: skip
    assert Counter(event["ip_address"] for event in failed).most_common(3) == [
        ("24.151.103.17", 157), ("34.204.227.175", 43), ("49.4.143.105", 40),
    ]  # fmt: skip


def test_the_year_makes_the_newest_line_lie_in_the_past(intake):
    """Without a year, the newest line of a file is not in the future; a file over new year has two years."""
    now = datetime.now(UTC)
    intake(b"Dec 31 23:59:59 h sshd[1]: x\nJan  1 00:00:00 h sshd[1]: y\n", format="auth")
    assert [event["time"][:10] for event in intake.events()] == [f"{now.year - 1}-12-31", f"{now.year}-01-01"]


@pytest.mark.parametrize(
    "line",
    [
        "2025-08-13 01:45:01.123 PDT [12345] LOG:  starting",
        "2025-01-24T07:00:30,139 INFO [main] Version: 8.0.1",
        "2015-04-09 19:58:07.123000 Hello, World!",
        "2026-03-27T13:06:56 web sshd[1]: text",
    ],
)
def test_a_stamp_that_is_not_syslogs_is_rejected(line):
    """Other programs' logs must not become events of a host called INFO or PDT, hours off."""
    with pytest.raises(Rejected, match=r"^time: expected a syslog line"):
        list(Auth(Options(year=2026)).events(line.encode()))
