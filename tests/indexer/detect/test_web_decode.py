"""Encodings taken off a text, and what is folded in it."""

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.detect.web_decode import LOOKED_AT, View, decoded, folded, unquoted

PLAIN = st.text(alphabet=st.characters(exclude_characters="%&\\\1", exclude_categories=("Cs",)), max_size=60)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("%3Cscript%3E", "<script>"),
        ("%253Cscript%253E", "<script>"),
        ("%25253C", "<"),
        ("%%33%43", "<"),
        ("%u003cA", "<a"),
        ("\\u003c\\x3E\\u{3c}", "<><"),
        ("&lt;&#60;&#x3c;&#0060;&colon;&NewLine;", "<<<<:\n"),
        ("%26lt%3B", "<"),
        ("%c0%ae%c0%af", "./"),
        ("＜ＳＣＲＩＰＴ＞", "<ｓｃｒｉｐｔ>"),
        ("100% sure & R&D", "100% sure & r&d"),
        ("%zz%4", "%zz%4"),
        ("&#99999999;&#xd800;\\ud800&nosuch;", "&#99999999;&#xd800;\\ud800&nosuch;"),
    ],
)
def test_encodings_are_taken_off(text, meant):
    """URL, HTML, JavaScript, overlong UTF-8 and full-width marks, in layers; what is none of them stays."""
    assert decoded(text) == meant


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_decoding_again_changes_nothing(text):
    """What is decoded has nothing left to decode, and up to three layers of URL encoding make no difference."""
    once = decoded(text)
    assert decoded(once) == once
    assert decoded(quote(text)) == decoded(quote(quote(text))) == once


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="%0123456789abcdefABCDEFg=\n\r \x02é", max_size=40))
def test_one_round_is_what_a_server_does(text):
    """The same as the standard library's, but for overlong forms and the two controls that serve as signs."""
    expected = unquote_to_bytes(text).decode("utf-8", "replace")
    if not {"\x01", "\x02"} & set(expected) and not any(byte in unquote_to_bytes(text) for byte in b"\xc0\xc1\xe0"):
        assert unquoted(text) == expected


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("union/**/select", "union select"),
        ("/*!50000union*/ all", "union all"),
        ("a/*b/*c*/d/*e", "a d/*e"),
        ("a \t\x0b b", "a b"),
        ("a--\r\n\n  b", "a--\nb"),
        ("1+or+1", "1 or 1"),
        (" \n\nid", "\nid"),
        ("1 + 1", "1 + 1"),
    ],
)
def test_comments_and_white_space_are_folded(text, meant):
    """To one space; of line ends one stays, for it ends a comment and begins a command."""
    assert folded(text) == meant


def test_the_forms_of_a_text():
    """As a browser, a file system and a shell would read it."""
    assert View("jav&#9;asc/*x*/ript:").compact == "javascript:"
    assert View("..\\0x2e0x2e0x2fa").slashes == "../../a"
    assert View("c'a't${IFS}/e^tc").bare == "cat /etc"
    assert View("eval('x') alert(1)").calls == {("eval", "'"), ("alert", "1")}


@pytest.mark.parametrize("unit", ["%", "%41", "&#60;", "&#0", "\\u0041", "a", "İ", "\ud800", "%%41", "/*", "%25"])
def test_a_long_text_becomes_a_short_one(unit):
    """Whatever it is made of, no more than some thousand characters are left to look at."""
    assert len(decoded(unit * LOOKED_AT)) < 4_000
