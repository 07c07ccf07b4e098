import gzip
import shutil
import subprocess
from collections import Counter

import pytest

from stonelog.api.ingest import Rejected
from stonelog.api.ingest.combined import Combined

HEAD = "192.0.2.1 - - [17/May/2015:10:05:03 +0000]"


def event(line):
    (made,) = Combined().events(line.encode() if isinstance(line, str) else line)
    return made


def test_every_part_of_a_line_has_its_field():
    """Client, user, time, request, status, bytes, referrer and user agent stand where they belong."""
    made = event(
        '2001:DB8::1 id ada [17/May/2015:12:05:03 +0200] "GET /a?b=c HTTP/1.1" 404 12 "http://r/" "curl/8"\r\n'
    )
    assert made["time"].isoformat() == "2015-05-17T10:05:03+00:00"
    assert {key: made[key] for key in made if key != "time"} == {
        "category": "api",
        "action": "api_call",
        "ip_address": "2001:db8::1",
        "username": "ada",
        "method": "GET",
        "path": "/a?b=c",
        "status_code": 404,
        "level": "warning",
        "outcome": "failure",
        "user_agent": "curl/8",
        "metadata": {"ident": "id", "protocol": "HTTP/1.1", "bytes": 12, "referrer": "http://r/"},
    }


@pytest.mark.parametrize(
    ("status", "level", "outcome"),
    [(200, "info", "success"), (304, "info", "success"), (399, "info", "success"), (400, "warning", "failure"),
     (499, "warning", "failure"), (500, "error", "failure"), (599, "error", "failure")],
)  # fmt: skip
def test_level_and_outcome_follow_the_status(status, level, outcome):
    """5xx is an error, 4xx a warning, both a failure; the rest is info and success."""
    made = event(f'{HEAD} "GET / HTTP/1.1" {status} 0 "-" "-"')
    assert (made["level"], made["outcome"], made["status_code"]) == (level, outcome, status)


@pytest.mark.parametrize("request_line", ["\\x16\\x03\\x01", "GET", "x y z", "\\n", "GET / HTTP/1.1 evil"])
def test_a_garbage_request_is_kept_as_it_is(request_line):
    """A request line that is none has no method and path; it stands in metadata.request."""
    made = event(f'{HEAD} "{request_line}" 400 0 "-" "-"')
    assert "method" not in made
    assert "path" not in made
    assert made["metadata"]["request"]


def test_an_empty_request_says_nothing():
    """A request of "-" (a connection that was closed) leaves no request behind."""
    made = event(f'{HEAD} "-" 408 - "-" "-"')
    assert made["metadata"] is None
    assert made["status_code"] == 408


def test_paths_with_spaces_stay_whole():
    """A path holds everything between the method and the protocol."""
    assert event(f'{HEAD} "GET /a b  c HTTP/1.1" 200 1')["path"] == "/a b  c"


def test_escapes_are_undone_and_bytes_that_are_no_text_stay_visible():
    """\\" and \\xHH are decoded as UTF-8; what is none stays as \\xHH, in the file's bytes too."""
    made = event(f'{HEAD} "GET /\\xd0\\xbf HTTP/1.1" 200 1 "\\xe4" "say \\"hi\\" \\\\ \\x22"')
    assert made["path"] == "/п"
    assert made["metadata"]["referrer"] == "\\xe4"
    assert made["user_agent"] == 'say "hi" \\ "'
    assert event(HEAD.encode() + b' "GET /\xff HTTP/1.1" 200 1')["path"] == "/\\xff"


def test_a_user_name_cannot_forge_the_rest():
    """Brackets, times and spaces in a user's name stay in the name."""
    name = "x [01/Jan/2000:00:00:00 +0000] y"
    made = event(f'192.0.2.1 - {name} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"')
    assert (made["username"], made["time"].year) == (name, 2015)


def test_a_client_that_is_no_address_and_a_status_that_is_none_are_kept():
    """A host name is in metadata.client, nginx's 000 in metadata.status, what follows the agent in metadata.extra."""
    made = event('host.example - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 000 0 "-" "-" 0.003 "10.0.0.1"')
    assert made["ip_address"] is None
    assert made["metadata"] == {
        "client": "host.example", "protocol": "HTTP/1.1", "status": "000", "bytes": 0, "extra": '0.003 "10.0.0.1"',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [("", "line: "), ("x y z", "line: "), ('a - - [99/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "time: "),
     (f'{HEAD} "GET / HTTP/1.1" 20 1', "status: "), (f'{HEAD} "GET / HTTP/1.1', "status: "),
     ('a - - [17/Mai/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "time: ")],
)  # fmt: skip
def test_what_is_no_access_log_is_rejected_by_name(line, said):
    """A line of another kind is refused with the part that is wrong."""
    with pytest.raises(Rejected, match=said):
        event(line)


def awk(path, program):
    if not shutil.which("awk"):
        pytest.skip("awk is not here")
    plain = gzip.decompress(path.read_bytes())
    return subprocess.run(["awk", program], input=plain, capture_output=True, check=True).stdout.decode().splitlines()


def test_the_real_log_agrees_with_awk(intake, shared):
    """All 10,000 lines go in, one cut inside its user agent too; statuses, paths and addresses are awk's."""
    path = shared("access/apache_combined.log.gz")
    result = intake(path, format="combined")
    assert (result.read, result.appended, result.rejected) == (10_000, 10_000, 0)
    events = intake.events()
    for field, column in (("status_code", 9), ("path", 7), ("ip_address", 1)):
        assert Counter(str(event[field]) for event in events) == Counter(awk(path, f"{{print ${column}}}"))
    assert Counter(event["status_code"] for event in events)[200] == 9_126
    assert sum("Googlebot" in event.get("user_agent", "") for event in events) == 543
    cut = [event for event in events if event.get("user_agent", "").endswith("+http://www.google.com/bot.html")]
    assert len(cut) == 1
