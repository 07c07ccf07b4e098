"""Own patterns: which are taken, and what is said of those that are not."""

import pytest

from stonelog.filestore.redaction_own import compiled, why_not


@pytest.mark.parametrize(
    "pattern",
    [
        "EMP-[0-9]{6}",
        "[A-Z]{2}[0-9]{6}",
        r"\bcust_[a-z0-9]{8,32}\b",
        "(?i)kunde-[0-9]{4,12}",
        "(?:AB|CD)-[0-9]{4}(?:-[0-9]{4}){3}",
        r"(?<=acct=)[0-9]{4,12}+",
        "[0-9]{3,10}+-[0-9]{3,10}+",
    ],
)
def test_bounded_patterns_are_taken(pattern: str) -> None:
    """Fixed beginnings, bounded repetitions, possessive ones."""
    assert why_not("own", pattern) == ""
    assert compiled("own", pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a+)+b", "no upper bound"),
        ("(a|a)*b", "no upper bound"),
        (r"\w+@", "no upper bound"),
        ("x.*y", "no upper bound"),
        ("(a{1,5}){1,5}b", "inside another"),
        ("(?:a|ab){1,9}c", "inside another"),
        (r"(a)\1", "refers back"),
        (r"(a)?(?(1)b|c)", "refers back"),
        ("a{1,40}a{1,40}a{1,40}b", "ways from one place"),
        (".{1,500}x", "ways from one place"),
        ("a{0,5}", "empty text"),
        ("(", "no regular expression"),
        ("a" * 1001, "longer than"),
    ],
)
def test_patterns_that_could_be_slow_are_refused(pattern: str, reason: str) -> None:
    """The reason says what cannot be bounded, and how to write it."""
    assert reason in why_not("own", pattern)
    with pytest.raises(ValueError, match="pattern 'own': "):
        compiled("own", pattern)


@pytest.mark.parametrize("name", ["", "A", "a b", "a]", "1a", "a" * 33])
def test_names_are_what_a_mask_can_show(name: str) -> None:
    """A name that would break the form of a mask is refused."""
    assert "its name must have the form" in why_not(name, "abc")
