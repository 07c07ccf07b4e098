import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.indexer.words import canonical, fold, joined_form, lookup, needles, words_in, words_of
from strategies import text


def found(wanted: str, value: str, *, prefix: bool = False) -> bool:
    form = canonical(value)
    return any(needle in form for needle in needles(wanted, prefix=prefix))


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("login", "Login failed!"),
        ("login failed", "the login-failed page"),
        ("10.0.0.1", "from 10.0.0.1:22"),
        ("cafe", "Café"),
        ("café", "a CAFE\u0301 here"),
        ("istanbul", "İSTANBUL"),
        ("hakkı", "HAKKI"),
        ("strasse", "Straße"),
        ("fine", "ﬁne"),
        ("σοφος", "ΣΟΦΌΣ"),
        ("свободу", "СВОБОДУ"),
        ("حقوق", "حُقُوق"),
        ("אדם", "אָדָם"),
        ("自由", "人民自由権"),
        ("由", "自由"),
        ("自由 abc", "言論自由 abc"),
        ("ガ", "ｶﾞ"),
        ("が", "か\u3099"),
        ("자", "자유"),
        ("สิทธิ", "สิทธิมนุษยชน"),
        ("iPhone手机", "新iphone 手机壳"[1:]),
        ("acme", "Acme™"),
        ("™", "Acme™"),
        ("x", "x²"),
        ("❤", "I ❤️ it"),
        ("1", "1️⃣"),
        ("स्वतन्त्रता", "वे स्वतन्त्रता चाहते हैं"),
    ],
)
def test_a_text_holds_the_word(wanted: str, value: str) -> None:
    """Case, accents and width do not matter; runs of unspaced scripts and symbols are found as substrings."""
    assert found(wanted, value)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("log", "login"),
        ("failed login", "login failed"),
        ("login failed", "login has failed"),
        ("10.0.0.1", "10.0.0.12"),
        ("か", "が"),
        ("自由権", "自由の権利"),
        ("नव", "मानव"),
        ("a自由b", "a自由自由b"),
        ("각", "가"),
    ],
)
def test_a_text_does_not_hold_the_word(wanted: str, value: str) -> None:
    """Words are whole, phrases are adjacent and in order, and a voiced kana is another letter."""
    assert not found(wanted, value)


def test_a_prefix_ends_anywhere_in_its_last_word() -> None:
    """A prefix holds its own words whole up to the last, which may go on."""
    assert found("login fai", "login failed", prefix=True)
    assert not found("ogin", "login", prefix=True)
    assert not found("log fai", "login failed", prefix=True)


def test_a_loose_mark_is_read_both_ways() -> None:
    """A letter with a loose accent is found as people read it, and as grep does, to which the accent ends the word."""
    assert found("cafes", "cafe\u0301s")
    assert found("cafe", "cafe\u0301s")
    assert not found("caf", "cafe\u0301s")
    assert found("वतन", "स्वतन्त्रता")


@pytest.mark.parametrize("wanted", ["", "::", " -- ", "\u0301", "€"])
def test_a_text_without_tokens_has_no_needle(wanted: str) -> None:
    """What holds neither letter, digit nor symbol is looked for as it is, not as words."""
    assert needles(wanted) == ()
    assert canonical(wanted) == ""


@given(st.lists(text, max_size=4))
def test_forms_are_joined_without_a_bridge(texts: list[str]) -> None:
    """The joined form is each text's form behind the other, two or more spaces between."""
    assert re.split(" {2,}", joined_form(texts).strip()) == re.split(" {2,}", "".join(map(canonical, texts)).strip())
    assert words_of(texts) == words_in(joined_form(texts))


def test_no_phrase_reaches_from_one_value_to_the_next() -> None:
    """The last word of one value and the first of the next are no phrase."""
    form = joined_form(["login", "failed"])
    assert needles("login failed")[0] not in form
    assert needles("login")[0] in form


@given(text, text, text, st.booleans())
def test_what_stands_in_a_text_is_looked_up(before: str, wanted: str, after: str, prefix: bool) -> None:
    """If a text holds a needle the index holds all its words; if that is all there is to it, also the other way."""
    form = canonical(f"{before}{wanted}{after}") + canonical(f"{before} {wanted} {after}")
    words = words_in(form)
    for needle in needles(wanted, prefix=prefix):
        asked, exact = lookup(needle)
        held = all(any(w.startswith(a) for w in words) if is_prefix else a in words for a, is_prefix in asked)
        assert held or needle not in form
        assert not exact or held == (needle in form)


@given(text)
def test_folding_twice_is_folding_once(value: str) -> None:
    """A folded text has no case or accents left to fold."""
    assert fold(fold(value)) == fold(value)
