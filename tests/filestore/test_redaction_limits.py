"""Redaction of any text: it ends soon, changes nothing a second time, and lets no known secret through."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore.redaction import RedactionSettings, Redactor

SIZE = 65_536
SECONDS = 0.25
"""Fifty times what it should take: only what grows with the square of the text does not stay below."""

UNITS = """
a|1|.|-|:|=|@|"|'|\\|%|/|[|]|<|>|,|;|&|_|A |1 |1-|4111 |4111-|411111111111 |4111111111111111 |a=b&|key=b&
password=x&|password="|password='|password=\\"|password="\\"|password=\\|password|pass|token|token.|key=|pin=
"password"|"password":|'password', |monkey=1&|<password>|<password>a|password>|authorization: 
authorization:basic |authorization: digest |cookie: |cookie: a=b;|cookie: a=***; |set-cookie: a=b; secure;
set-cookie: a=*;|a=***;|bearer |basic |bearer a1b2c3d4 |bearer xxxxxxxxxxxxxxxxxxxx |basic aaaaaaaa 
basic dXNlcjpwYXNz |://|://a:|://a:b|://a:b@|://a:b@c |a@|a@b.|a@b.cc |--a| -a |--pass |-pass x |--password x 
 net user a b |net user /a /a /a |sshpass -p | -u a:|curl -u |identified by '|password '|password('|%3d|%3a
password%3d|password%3dx%26|password%22%3a%22|-----BEGIN |-----BEGIN PRIVATE KEY-----
-----BEGIN A A A PRIVATE |eyJ|eyJ-|.eyJ|eyJaaaaaaaaaa.| eyJaaaaaaaaaa.a.|[redacted:password]
[sha:jwt:0123456789abcdef]|password=[redacted:password] |[]|password=[] |\\n|\\u003d|x password: the |İ|é=
GB29|GB29 NWBK |123-45-6789 |+1 555 |(555) |arn:aws:secret:|token:a:|{"token":{"token":|"token":["*",|code=
secret:===|<<<authorization: digest |ghp_|sk-ant-|sk-|AKIA|xox|SG.|hvs.|AA|Q~|-us|M-|MMM.
"""  # noqa: W291 (spaces at the ends of lines belong to what is tried)


def everything() -> Redactor:
    return Redactor(RedactionSettings(emails=True, phones=True, ibans=True, ssns=True))


REDACTOR = everything()


@pytest.mark.parametrize("unit", [unit for line in UNITS.split("\n") for unit in line.split("|") if unit])
def test_no_text_takes_long(unit: str) -> None:
    """64 KiB of the beginning of what is looked for, again and again, take no longer than other texts."""
    text = (unit * SIZE)[:SIZE]
    before = time.process_time()
    REDACTOR.text(text)
    assert time.process_time() - before < SECONDS


@pytest.mark.parametrize("unit", [unit for line in UNITS.split("\n") for unit in line.split("|") if unit])
def test_no_json_takes_long(unit: str) -> None:
    """Nor does JSON in a text with such texts in it, in JSON in a text."""
    text = json.dumps([(unit * 64)[:64]] * 400)
    for _ in range(2):
        text = json.dumps({"password\n": [text]})
    before = time.process_time()
    REDACTOR.text(text[:SIZE])
    assert time.process_time() - before < SECONDS


PARTS = st.sampled_from([unit for line in UNITS.split("\n") for unit in line.split("|") if unit])
MIXED = st.lists(PARTS | st.text(max_size=12), max_size=12).map("".join)


KEYS = ["password", "cookie", "set-cookie", "authorization", "cookies", "token", "key", "name", "value", "a"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | MIXED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MIXED | st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, mode=st.sampled_from(["mask", "remove", "digest"]))
@settings(max_examples=200, deadline=None)
def test_json_in_a_text_stays_json(value: object, mode: str) -> None:
    """It holds nothing a second time, and in a field of an event nothing either."""
    redactor = Redactor(RedactionSettings.model_validate({"mode": mode}), bytes(32))
    text = redactor.text(json.dumps([value]))
    assert redactor.text(text) == text
    once = redactor({"category": "api", "metadata": {"a": value}})
    assert redactor(once) is once


@given(text=MIXED, mode=st.sampled_from(["mask", "remove", "digest"]))
@settings(max_examples=400, deadline=None)
def test_twice_is_once(text: str, mode: str) -> None:
    """What was redacted holds nothing that would be redacted again, in every mode."""
    redactor = Redactor(RedactionSettings.model_validate({"mode": mode, "emails": True, "phones": True}), bytes(32))
    once = redactor.text(text)
    assert redactor.text(once) == once


SECRET = "hunter2zq"


@given(
    before=MIXED, after=MIXED, form=st.sampled_from(['{{"password": "{}"}}', "\n<token>{}</token>", "\npassword='{}'"])
)
@settings(max_examples=200, deadline=None)
def test_a_named_secret_goes_whatever_is_around_it(before: str, after: str, form: str) -> None:
    """Other text before and after does not hide a value that has a name; at worst more than it goes."""
    lines = before.replace('"', "").replace("'", "").replace("<", "").replace("\\", "")
    assert SECRET not in REDACTOR.text(f"{lines}\n{form.format(SECRET)}\n{after}")


@given(
    metadata=st.recursive(
        st.none() | st.booleans() | st.integers() | MIXED,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MIXED, inner, max_size=3),
        max_leaves=8,
    )
)
@settings(max_examples=150, deadline=None)
def test_metadata_of_any_form(metadata: object) -> None:
    """Any nested values are gone through without an error, and a second time nothing changes."""
    once = REDACTOR({"category": "api", "metadata": {"data": metadata}})
    assert REDACTOR(once) is once
