"""`append`: what is taken, what is refused, what the receipt says."""

import json
from pathlib import Path

import click
import pytest

from stonelog.api.cli.append import fields_of
from stonelog.filestore import Reader


def _only_event(directory: Path) -> dict:
    (line,) = Reader(directory).lines()
    return json.loads(line.raw)


def test_prints_the_receipt_as_one_json_line(run, tmp_path):
    """The receipt says where the event is: the line at `offset` of `file` is the event of `seq` and `id`."""
    ended = run("append", "api", "api_call", "hello", "--dir", tmp_path / "s")
    assert ended.exit_code == 0
    assert ended.stdout.count("\n") == 1
    receipt = json.loads(ended.stdout)
    assert list(receipt) == ["seq", "id", "file", "offset", "durability"]
    assert receipt["durability"] == "fsync"
    line = json.loads(Path(receipt["file"]).read_bytes()[receipt["offset"] :])
    assert (line["seq"], line["id"], line["message"]) == (receipt["seq"], receipt["id"], "hello")


def test_uses_data_without_a_directory(run, tmp_path):
    """Without --dir and $STONELOG_DIR the store is ./data."""
    assert run("append", "api", "read").exit_code == 0
    assert _only_event(tmp_path / "data")["action"] == "read"


@pytest.mark.parametrize(
    ("args", "env"),
    [
        (["append", "api", "read", "--dir", "here"], {}),
        (["--dir", "here", "append", "api", "read"], {}),
        (["append", "api", "read"], {"STONELOG_DIR": "here"}),
        (["append", "api", "read", "--dir", "here"], {"STONELOG_DIR": "elsewhere"}),
        (["--dir", "here", "append", "api", "read"], {"STONELOG_DIR": "elsewhere"}),
        (["--dir", "elsewhere", "append", "api", "read", "--dir", "here"], {}),
    ],
)
def test_the_nearest_directory_counts(run, tmp_path, args, env):
    """The command's --dir beats the one before it, which beats $STONELOG_DIR."""
    assert run(*args, env=env).exit_code == 0
    assert _only_event(tmp_path / "here")
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_directory_name_is_refused(run):
    """`--dir ""` (a variable that was not set) does not mean the current directory."""
    ended = run("append", "api", "read", "--dir", "")
    assert ended.exit_code == 2
    assert "--dir" in ended.stderr


@pytest.mark.parametrize("level", ["fsync", "os", "none"])
def test_durability_is_what_was_asked_for(run, level):
    """The receipt says the durability that --durability chose."""
    assert json.loads(run("append", "api", "read", "--durability", level).stdout)["durability"] == level


def test_a_message_of_a_dash_is_standard_input(run, tmp_path):
    """`-` reads the message from standard input, without its last line end; other line ends stay."""
    assert run("append", "api", "read", "-", input="größe\nzwei\n".encode()).exit_code == 0
    assert _only_event(tmp_path / "data")["message"] == "größe\nzwei"


def test_standard_input_that_is_not_utf8_is_refused(run, tmp_path):
    """Bytes that are no UTF-8 are an error that says where they stand, and nothing is made."""
    ended = run("append", "api", "read", "-", input=b"ab\xff")
    assert ended.exit_code == 2
    assert ended.stderr == "stonelog: standard input: byte 2 is not UTF-8; convert the text first\n"
    assert not (tmp_path / "data").exists()


def test_a_refused_event_makes_no_store(run, tmp_path):
    """An event that cannot be taken is one line of error that names the field; no directory is made for it."""
    ended = run("append", "Api", "read")
    assert ended.exit_code == 2
    assert ended.stderr.startswith("stonelog: category: 'Api' is not allowed")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_message_given_twice_is_refused(run):
    """MESSAGE and --set message=... together are an error."""
    assert run("append", "api", "read", "a", "--set", "message=b").exit_code == 2


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (["username=ada"], {"username": "ada"}),
        (["username=17"], {"username": "17"}),
        (["username=a=b"], {"username": "a=b"}),
        (["username="], {"username": ""}),
        (["status_code=404"], {"status_code": 404}),
        (["response_time_ms=1.5"], {"response_time_ms": 1.5}),
        (["status_code=abc"], {"status_code": "abc"}),
        (["tags=web", "tags=eu"], {"tags": ["web", "eu"]}),
        (['tags=["web","eu"]'], {"tags": ["web", "eu"]}),
        (["metadata.a.b=1", "metadata.a.c=x"], {"metadata": {"a": {"b": 1, "c": "x"}}}),
        (["metadata.a=true", "metadata.b=null"], {"metadata": {"a": True, "b": None}}),
        (['metadata.a={"b":[1,2]}'], {"metadata": {"a": {"b": [1, 2]}}}),
        (['metadata.zip="01"'], {"metadata": {"zip": "01"}}),
        (["metadata.zip=01"], {"metadata": {"zip": "01"}}),
        (["metadata.x=NaN", "metadata.y=1e400"], {"metadata": {"x": "NaN", "y": "1e400"}}),
        ([r"metadata.host\.name=a"], {"metadata": {"host.name": "a"}}),
        (['metadata={"a":1}'], {"metadata": {"a": 1}}),
        (['metadata.a={"b":1,"b":2}'], {"metadata": {"a": '{"b":1,"b":2}'}}),
        (["metadata.a=" + "[" * 100_000], {"metadata": {"a": "[" * 100_000}}),
    ],
)
def test_set_makes_fields(settings, fields):
    """KEY=VALUE: text, numbers where the field holds numbers, lists that grow, JSON and dots in metadata."""
    assert fields_of(settings) == fields


@pytest.mark.parametrize(
    "settings",
    [
        ["username"],
        ["=x"],
        ["username=a", "username=b"],
        ["username.first=a"],
        ["metadata.a=1", "metadata.a.b=2"],
        ["metadata.a.b=1", "metadata.a=2"],
        ["metadata.a=1", "metadata.a=1"],
        ['metadata={"a":1}', "metadata.a=2"],
    ],
)
def test_set_refuses_what_contradicts_itself(settings):
    """A setting without = or key, a field set twice, or a path through a value is an error that quotes it."""
    with pytest.raises(click.UsageError) as caught:
        fields_of(settings)
    assert settings[-1] in caught.value.message


def test_whole_numbers_are_kept_exactly(run, tmp_path):
    """An integer beyond 2^53 in metadata comes back digit for digit."""
    run("append", "api", "read", "--set", "metadata.n=9007199254740993")
    assert b'"n":9007199254740993' in next(Reader(tmp_path / "data").lines()).raw
