import json
import tarfile

LINE = b'{"category":"workflow","action":"create","message":"made"}\n'


def test_a_line_of_our_fields_is_an_event(intake):
    """Without a map, the fields of the line are the fields of the event."""
    result = intake(LINE)
    assert (result.read, result.appended, result.rejected) == (1, 1, 0)
    assert intake.events()[0]["message"] == "made"


def test_a_line_that_stonelog_wrote_goes_in_again(intake):
    """seq, id, redacted, synced and hash are given anew; everything else stays."""
    intake(
        b'{"category":"api","action":"read","metadata":{"n":9007199254740993},"tags":["a"],"time":"2026-01-02T03:04:05Z"}'
    )
    (first,) = intake.events()
    intake(json.dumps({**first, "redacted": ["$.x"]}).encode())
    again = intake.events()[-1]
    given = ("seq", "id", "synced", "hash")
    assert {key: again[key] for key in again if key not in given} == {
        key: first[key] for key in first if key not in given
    }
    assert again["seq"] == first["seq"] + 1
    assert again["id"] != first["id"]


def test_bad_lines_never_stop_the_run_and_are_kept_with_their_place(intake):
    """Bad lines are counted and kept with line number, plain offset and a reason; good ones around them go in."""
    bad = [
        b"[1]\n",
        b'{"category":"api"}\n',
        b'{"category":"api","action":"read","metdata":{}}\n',
        b"\xff\n",
        b"nope\n",
    ]
    data = LINE + bad[0] + b"\n  \n" + LINE + b"".join(bad[1:]) + LINE
    result = intake(data)
    assert (result.read, result.appended, result.rejected) == (8, 3, 5)
    rejects = intake.rejects(result)
    assert [line for line, _, _ in rejects] == [2, 6, 7, 8, 9]
    assert [data[offset:].split(b"\n")[0] + b"\n" for _, offset, _ in rejects] == bad
    reasons = [reason for _, _, reason in rejects]
    assert reasons[0] == "column 1: expected an object with the fields of an event, found a list"
    assert reasons[1].startswith("action: ")
    assert reasons[2].startswith("metdata: ")
    assert "not UTF-8" in reasons[3]
    assert intake.rejected_bytes(result) == b"".join(bad)
    assert result.first_reason.endswith(f"input0.log:2: {reasons[0]}")


def test_crlf_and_a_last_line_without_end_are_lines(intake):
    """A CR before the LF is JSON's white space, and the last line needs no LF."""
    result = intake(LINE.replace(b"\n", b"\r\n") + LINE[:-1])
    assert (result.read, result.appended) == (2, 2)


def test_S03_only_lf_ends_a_line(intake):
    """U+2028, U+0085, VT and FF inside a text do not cut the line."""
    text = "a\u2028b\u0085c\u2029d"
    intake(json.dumps({"category": "api", "action": "read", "message": text}, ensure_ascii=False).encode())
    assert intake.events()[0]["message"] == text


def test_the_json_suite_is_refused_line_by_line(intake, shared):
    """No line of an n_ file becomes an event, and each that is not blank is kept in quarantine."""
    with tarfile.open(shared("json/JSONTestSuite_test_parsing.tar.gz")) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    bad = [data for name, data in files.items() if name.rsplit("/", 1)[-1].startswith("n_")]
    result = intake(*bad)
    lines = sum(1 for data in bad for line in data.split(b"\n") if line.strip())
    assert (result.read, result.appended, result.rejected) == (lines, 0, lines)
    assert all("\n" not in reason for _, _, reason in intake.rejects(result))


def test_objects_of_the_json_suite_are_refused_by_name(intake, shared):
    """A y_ object, which has none of our fields, is refused with the field (or the double key) that is wrong."""
    with tarfile.open(shared("json/JSONTestSuite_test_parsing.tar.gz")) as archive:
        for member in archive:
            if "/y_object" in member.name or member.name.startswith("y_object"):
                data = archive.extractfile(member).read().replace(b"\n", b" ")
                result = intake(data)
                assert (result.read, result.appended) == (1, 0)
                ((_, _, reason),) = intake.rejects(result)
                assert reason.startswith("category: ") or "a second time" in reason


def test_naughty_strings_come_back_as_they_were(intake, shared):
    """Every string of the big list goes in as a message and comes back equal."""
    strings = json.loads(shared("unicode/blns.json").read_bytes())
    lines = [json.dumps({"category": "api", "action": "read", "message": text}) for text in strings]
    result = intake("\n".join(lines).encode())
    assert (result.appended, result.rejected) == (len(strings), 0)
    assert [event["message"] for event in intake.events()] == strings
