"""Redaction of a whole event: what comes out, where it says so, and what stays as it was."""

import copy
import json
import os
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pytest

from stonelog.filestore.errors import InvalidSetting
from stonelog.filestore.event import checked
from stonelog.filestore.redaction import RedactionSettings, Redactor

Mode = Literal["mask", "remove", "digest"]
KEY = bytes(range(32))


def event(**fields: Any) -> dict[str, Any]:
    return checked({"time": "2026-01-02T03:04:05Z", "category": "api", "action": "read", **fields})


def redacted(mode: Mode = "mask", **fields: Any) -> dict[str, Any]:
    """The event after redaction."""
    return Redactor(RedactionSettings(mode=mode), KEY)(event(**fields))


def test_what_holds_nothing_secret_is_the_same_object() -> None:
    """An event without a secret is given back as it came, without `redacted`."""
    fields = event(message="user ada read order 7", path="/v1/orders/7?page=2", metadata={"a": [1, {"b": None}]})
    assert Redactor(RedactionSettings())(fields) is fields


def test_what_is_given_is_not_changed() -> None:
    """Nested objects of the caller's stay as they were."""
    fields = event(metadata={"a": {"password": "x"}, "b": [{"token": "y"}, "password=z"]})
    before = copy.deepcopy(fields)
    assert Redactor(RedactionSettings())(fields)["metadata"] == {
        "a": {"password": "[redacted:password]"},
        "b": [{"token": "[redacted:token]"}, "password=[redacted:password]"],
    }
    assert fields == before


def test_paths_say_where_sorted() -> None:
    """`redacted` lists JSON paths (RFC 9535), and stands in its place among the fields."""
    changed = redacted(
        message="password=a",
        path="/login?password=b&next=/",
        tags=["x", "token=c"],
        metadata={
            "headers": {"Authorization": "Bearer d"},
            "items": [1, 2, {"token": "e"}],
            "a b": {"it's": {"pin": 1}},
        },
    )
    assert changed["redacted"] == [
        "$.message",
        "$.metadata.headers.Authorization",
        "$.metadata.items[2].token",
        "$.metadata['a b']['it\\'s'].pin",
        "$.path",
        "$.tags[1]",
    ]
    assert list(changed)[-2:] == ["redacted", "metadata"]
    assert changed["path"] == "/login?password=[redacted:password]&next=/"


@pytest.mark.parametrize(
    "field",
    ["message", "path", "user_agent", "error_message", "stack_trace", "username", "entity_name", "request_id", "host"],
)
def test_every_text_is_looked_through(field: str) -> None:
    """A secret is found whatever field it stands in."""
    changed = redacted(**{field: "see https://ada:hunter2@db/x"})
    assert changed[field] == "see https://ada:[redacted:url_password]@db/x"


def test_fields_of_the_store_are_not_redacted_by_their_name() -> None:
    """Sessions, requests and traces stay, or nothing could be followed."""
    fields = event(
        session_id="953f48f1", request_id="r-1", device_id="d", trace_id="0" * 31 + "1", span_id="0" * 15 + "1"
    )
    assert Redactor(RedactionSettings())(fields) is fields


def test_a_secret_in_a_key_is_taken_out_of_the_key() -> None:
    """Keys are texts too; two that become the same are told apart."""
    keys = {"ada:x@h postgres://ada:one@h": 1, "ada:x@h postgres://ada:two@h": 2}
    changed = redacted(metadata=keys)["metadata"]
    mark = "ada:x@h postgres://ada:[redacted:url_password]@h"
    assert changed == {mark: 1, f"{mark}#2": 2}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"pin": 1234}, {"pin": "[redacted:pin]"}),
        ({"password": 12345}, {"password": "[redacted:password]"}),
        ({"password_length": 12, "max_tokens": 100, "tokens": 5}, None),
        ({"password": True, "token": None, "secret": ""}, None),
        ({"passwords": ["a", "b"]}, {"passwords": ["[redacted:password]", "[redacted:password]"]}),
        ({"token": {"type": "jwt", "value": "x"}}, {"token": {"type": "jwt", "value": "[redacted:token]"}}),
        (
            {"credentials": {"user": "ada", "password": "x"}},
            {"credentials": {"user": "ada", "password": "[redacted:password]"}},
        ),
        ({"cookies": {"sid": "x"}}, {"cookies": {"sid": "[redacted:cookie]"}}),
        ({"Cookie": "a=b; c=d"}, {"Cookie": "a=[redacted:cookie]; c=[redacted:cookie]"}),
        ({"Set-Cookie": "a=b; Path=/; HttpOnly"}, {"Set-Cookie": "a=[redacted:cookie]; Path=/; HttpOnly"}),
        ({"cookie": "opaque"}, {"cookie": "[redacted:cookie]"}),
        ({"authorization": "Basic eDp5"}, {"authorization": "Basic [redacted:authorization]"}),
        ({"h": [["Authorization", "Bearer x1"]]}, {"h": [["Authorization", "Bearer [redacted:authorization]"]]}),
        ({"h": ["authorization: digest aa", "a"]}, {"h": ["authorization: digest [redacted:authorization]", "a"]}),
        ({"name": "DB_PASSWORD", "value": "x"}, {"name": "DB_PASSWORD", "value": "[redacted:password]"}),
        ({"number": 4111111111111111}, {"number": "[redacted:card]"}),
        ({"number": 4111111111111112}, None),
        ({"authorization": "[] hunter2Xq9"}, {"authorization": "[redacted:authorization]"}),
        ({"authorization": "Bearer [] hunter2Xq9"}, {"authorization": "[redacted:authorization]"}),
        ({"authorization": "Bearer ${TOKEN}"}, None),
        ({"cookie": "[redacted:x]hunter2Xq9"}, {"cookie": "[redacted:cookie]"}),
        ({"cookie": "a=[]; b=[]hunter2Xq9"}, {"cookie": "[redacted:cookie]"}),
        ({"cookie": "a=b hunter2Xq9"}, {"cookie": "[redacted:cookie]"}),
        ({"h": [["x-api-key", "x1"], ["a", "b"]]}, {"h": [["x-api-key", "[redacted:api_key]"], ["a", "b"]]}),
        ({"h": [["password", "x1"]]}, {"h": [["password", "[redacted:password]"]]}),
        ({"h": ["password", "x1"]}, None),
        ({"argv": ["tool", "--password", "x1", "run"]}, {"argv": ["tool", "--password", "[redacted:password]", "run"]}),
        (
            {"argv": ["tool", "--password", "--token", "a"]},
            {"argv": ["tool", "--password", "--token", "[redacted:token]"]},
        ),
        ({"authorization": {"action": "Microsoft.Compute/x/write", "role": "Owner"}}, None),
        ({"authorization": {"value": "x1"}}, {"authorization": {"value": "[redacted:authorization]"}}),
        ({"secret": {"namespace": "prod"}, "token": {"user": "ada"}, "password": {"strength": "good"}}, None),
        ({"cookies": 12}, None),
        ({"db/password": "x1", "etc/passwd": "x"}, {"db/password": "[redacted:password]", "etc/passwd": "x"}),
        ({"POST /oauth/token": 12, "../token": 1, "https://a/token": 3}, None),
    ],
)
def test_metadata_by_key(given: dict[str, Any], left: dict[str, Any] | None) -> None:
    """Texts and numbers under a secret's name go, at any depth; what only tells something of a secret stays."""
    assert redacted(metadata=given)["metadata"] == (given if left is None else left)


@pytest.mark.parametrize(
    "value",
    [
        *("Hidden!2024Xq", "Protected#99x", "your-Xq9abc", "Enter_Xq9", "<Xq9hunter", "${Xq9hunter", "{abc}Xq9x"),
        *("[redacted:password]hunter2", "<a>Xq9<b>", "$(Xq9", "xxxxXq9", "%(Xq9", "$TokenXq9", "change-Xq9"),
    ],
)
def test_what_only_begins_like_a_placeholder_is_a_secret(value: str) -> None:
    """Under a key, and in quotes, a place for a secret is the whole value."""
    changed = redacted(message=json.dumps({"a": {"password": value}}), metadata={"password": value})
    assert changed["metadata"] == {"password": "[redacted:password]"}
    assert json.loads(changed["message"]) == {"a": {"password": "[redacted:password]"}}


@pytest.mark.parametrize(
    "value",
    [
        *(
            "<hidden>",
            "${DB_PASSWORD}",
            "{password}",
            "{{ secret }}",
            "%(password)s",
            "$(cat x)",
            "[FILTERED]",
            "hidden",
        ),
        *("your-password-here", "YOUR_API_KEY", "change_me", "insert-token-here", "$Password", "xxxx", "**REDACTED**"),
    ],
)
def test_placeholders_stay(value: str) -> None:
    """A whole place for a secret is none."""
    fields = event(metadata={"password": value}, message=f'"password": "{value}"')
    assert Redactor(RedactionSettings())(fields) is fields


class Texts(str):
    """A text of a class of its own, as template engines have them."""

    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(password="x1"),
        defaultdict(str, password="x1"),
        MappingProxyType({"password": "x1"}),
        {"a": (OrderedDict(a=UserDict(password="x1")),)},
        {"a": Texts("password=x1")},
        {"password": Texts("x1")},
        {Texts("password"): "x1"},
        {"a": type("L", (list,), {})(["password=x1"])},
        namedtuple("Pair", "a b")("a", "password=x1"),
    ],
)
def test_classes_of_their_own_are_looked_into(value: Any) -> None:
    """What only behaves like an object, a list or a text is gone through too, and left as a plain value."""
    fields = {"category": "api", "metadata": {"a": value}}
    changed = Redactor(RedactionSettings())(fields)
    assert "x1" not in json.dumps(changed) and "[redacted:password]" in json.dumps(changed)
    assert not any(type(each) is Texts for each in changed["metadata"]["a"])


def test_keys_that_are_no_texts_name_nothing() -> None:
    """A number as a key is passed over."""
    fields = {"category": "api", "metadata": {"a": {1: "x", None: "y", "password": "z"}}}
    assert Redactor(RedactionSettings())(fields)["metadata"]["a"] == {
        1: "x",
        None: "y",
        "password": "[redacted:password]",
    }


@pytest.mark.parametrize("mode", ["mask", "digest"])
@pytest.mark.parametrize("metadata", [{f"{count}_pin": "1" for count in range(2500)}, {"passwords": ["a"] * 5000}])
def test_marks_do_not_make_an_event_too_long(metadata: dict[str, Any], mode: Mode) -> None:
    """Of an object or a list with very many secrets one mark is left."""
    changed = redacted(mode, metadata=metadata)
    assert len(json.dumps(changed)) < 1000 and "rest" in json.dumps(changed["metadata"])
    assert Redactor(RedactionSettings(mode=mode), KEY)(changed) is changed


def test_remove_takes_keys_away_and_leaves_empty_places_in_texts() -> None:
    """In mode `remove` nothing of the value and its kind is left, and the paths still say where it was."""
    changed = redacted(
        "remove", message="password=a, next", metadata={"a": {"password": "x", "b": 1}, "l": ["token=x"]}
    )
    assert changed["message"] == "password=[], next"
    assert changed["metadata"] == {"a": {"b": 1}, "l": ["token=[]"]}
    assert changed["redacted"] == ["$.message", "$.metadata.a.password", "$.metadata.l[0]"]


def test_digests_of_equal_values_are_equal() -> None:
    """In mode `digest` the same secret has the same digest wherever it stands, and another key gives others."""
    changed = redacted("digest", message="token=abc", metadata={"token": "abc", "other": {"token": "abd"}})
    mark = changed["metadata"]["token"]
    assert mark.startswith("[sha:token:") and changed["message"] == f"token={mark}"
    assert changed["metadata"]["other"]["token"] != mark
    settings = RedactionSettings(mode="digest")
    assert Redactor(settings, KEY[::-1])(event(metadata={"token": "abc"}))["metadata"]["token"] != mark
    assert Redactor(settings, KEY * 9)(event(metadata={"token": "abc"}))["metadata"]["token"] != mark


def test_digests_need_a_key() -> None:
    """Without a key of 32 bytes a digest of a short secret could be tried out."""
    with pytest.raises(InvalidSetting, match="32 bytes"):
        Redactor(RedactionSettings(mode="digest"), b"short")


@pytest.mark.parametrize("mode", ["mask", "remove", "digest"])
def test_redacting_twice_changes_nothing_more(mode: Mode) -> None:
    """What redaction writes is left alone, under a secret's name too."""
    redactor = Redactor(RedactionSettings(mode=mode), KEY)
    once = redactor(
        event(
            message='password=a {"token": "b"} Authorization: Basic eDp5 Cookie: a=b; c=d',
            metadata={
                "password": "x",
                "Cookie": "a=b",
                "authorization": "Bearer x1",
                "pin": 7,
                "n": [4111111111111111],
            },
        )
    )
    assert redactor(once) is once


def test_paths_before_are_kept() -> None:
    """An event that says already what was taken out of it goes on saying so."""
    fields = {**event(message="password=a"), "redacted": ["$.metadata.b"]}
    assert Redactor(RedactionSettings())(fields)["redacted"] == ["$.message", "$.metadata.b"]


def test_of_very_many_paths_the_fields_are_listed() -> None:
    """`redacted` cannot make a line too long."""
    changed = redacted(message="password=a", metadata={"a": [{"pin": count} for count in range(300)]})
    assert changed["redacted"] == ["$.message", "$.metadata"]


def test_off_is_off() -> None:
    """With `enabled` false everything stays."""
    redactor = Redactor(RedactionSettings(enabled=False))
    fields = event(message="password=a")
    assert redactor(fields) is fields
    assert redactor.text("password=a") == "password=a"


def test_text_alone() -> None:
    """A refused line is redacted as a text; one without a secret is the same object."""
    redactor = Redactor(RedactionSettings())
    line = '{"category": "api", "password": 12345, "x": "password=y"}'
    assert (
        redactor.text(line) == '{"category":"api","password":"[redacted:password]","x":"password=[redacted:password]"}'
    )
    assert redactor.text(plain := "nothing here") is plain


def test_further_and_allowed_keys() -> None:
    """Keys of the settings name secrets word by word, in texts too; allowed ones no longer do."""
    redactor = Redactor(RedactionSettings(keys=("employee no",), allowed_keys=("csrf_token",)))
    changed = redactor(
        event(message="employee_no=7 X-CSRF-Token: abc", metadata={"employeeNo": "7", "csrfToken": "a", "token": "b"})
    )
    assert changed["message"] == "employee_no=[redacted:key] X-CSRF-Token: abc"
    assert changed["metadata"] == {"employeeNo": "[redacted:key]", "csrfToken": "a", "token": "[redacted:token]"}


def test_allowed_kinds_stay() -> None:
    """A kind that is wanted in the log is left: the access key ids of CloudTrail."""
    fields = event(metadata={"accessKeyId": "AKIA" + "IOSFODNN7" + "SECRETS"})
    assert Redactor(RedactionSettings())(fields)["metadata"] == {"accessKeyId": "[redacted:aws_key_id]"}
    assert Redactor(RedactionSettings(allowed_kinds=("aws_key_id",)))(fields) is fields


@pytest.mark.parametrize(
    ("setting", "text", "kind"),
    [
        ("cards", "4111 1111 1111 1111", "card"),
        ("emails", "ada@example.com", "email"),
        ("phones", "+44 20 7946 0958", "phone"),
        ("ibans", "GB69PMNJ18913943430745", "iban"),
        ("ssns", "308-63-0237", "ssn"),
    ],
)
def test_personal_data_as_the_settings_say(setting: str, text: str, kind: str) -> None:
    """Each sort is taken out if it is asked for, and only then."""
    assert Redactor(RedactionSettings(**{setting: True})).text(f"see {text}.") == f"see [redacted:{kind}]."
    assert Redactor(RedactionSettings(**{setting: False})).text(text) == text


def test_own_patterns() -> None:
    """A pattern of the settings is a kind of its own."""
    redactor = Redactor(RedactionSettings(patterns={"badge": "EMP-[0-9]{6}"}))
    assert redactor(event(message="by EMP-123456"))["message"] == "by [redacted:badge]"


def test_settings_from_the_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section is read as all are; lists and tables may be texts."""
    (tmp_path / "stonelog.toml").write_text('[redaction]\nkeys = ["badge"]\n[redaction.patterns]\nx = "XX[0-9]{3}"\n')
    assert Redactor.load(tmp_path).text("badge=1 XX123") == "badge=[redacted:key] [redacted:x]"
    monkeypatch.setenv("STONELOG_REDACTION_KEYS", "colour, size")
    monkeypatch.setenv("STONELOG_REDACTION_PATTERNS", json.dumps({"y": "YY[0-9]{3}"}))
    assert (
        Redactor.load(tmp_path).text("badge=1 size=2 XX123 YY123") == "badge=1 size=[redacted:key] XX123 [redacted:y]"
    )


def test_a_pattern_that_could_be_slow_is_refused_at_load(tmp_path: Path) -> None:
    """The error names the setting and the pattern, and says what to write."""
    (tmp_path / "stonelog.toml").write_text('[redaction.patterns]\nx = "(a+)+b"\n')
    with pytest.raises(
        InvalidSetting, match=r"\[redaction\] patterns = .*pattern 'x': a repetition has no upper bound"
    ):
        Redactor.load(tmp_path)


def test_the_key_for_digests_lies_outside_the_store(tmp_path: Path) -> None:
    """A key inside the store's directory is refused, by whatever way it is named; one outside is used."""
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "key").write_bytes(KEY)
    (store / "key").write_bytes(KEY)
    settings = store / "stonelog.toml"
    settings.write_text('[redaction]\nmode = "digest"\n')
    with pytest.raises(InvalidSetting, match="needs a file with a key"):
        Redactor.load(store)
    settings.write_text('[redaction]\nmode = "digest"\ndigest_key_file = "../store/key"\n')
    with pytest.raises(InvalidSetting, match="lies in the store's directory"):
        Redactor.load(store)
    (tmp_path / "link").symlink_to(store / "key")
    settings.write_text('[redaction]\nmode = "digest"\ndigest_key_file = "../link"\n')
    with pytest.raises(InvalidSetting, match="lies in the store's directory"):
        Redactor.load(store)
    settings.write_text('[redaction]\nmode = "digest"\ndigest_key_file = "../key"\n')
    assert Redactor.load(store).text("token=abc") == Redactor(RedactionSettings(mode="digest"), KEY).text("token=abc")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs file modes")
def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """The error names the setting and the file."""
    (tmp_path / "stonelog.toml").write_text('[redaction]\nmode = "digest"\ndigest_key_file = "../none"\n')
    with pytest.raises(InvalidSetting, match=r"digest_key_file = .*none: cannot be read: No such file"):
        Redactor.load(tmp_path)
