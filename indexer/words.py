"""What a word is, and when a text holds it: the one rule that the index and the raw line share.

A text is read as its canonical form: tokens, folded, each between single spaces. Case and accents are gone. A token is
a word (letters, digits and the marks that belong to them) or a run: characters of a script written without spaces, or
symbols such as emoji. Everything else separates. A query is in a text when its canonical form is part of the text's;
the space at a side where the query has a run is left out, so that runs are found as substrings.

`grep -iw` must not find more than this does. To grep a mark that is no letter (a loose accent, a virama) ends a word;
to people it belongs to it. Therefore a text with such marks has two readings, one for each, and both are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

__all__ = ["canonical", "fold", "joined_form", "lookup", "needles", "split_words", "words_in", "words_of"]

_RUN = "\x01"
"""Stands on both sides of every character of a run, until neighbours are joined."""
_DROPPED = "\x02"
"""Stands for a loose mark that is no part of the first reading, and a gap in the second."""
_KEPT = "\x03"
"""Stands before a loose mark that is part of the first reading, and a gap in the second."""
_IOTA = "\x04"
"""Stands for the iota below a Greek vowel: an accent in the first reading, a letter to grep."""

_BARRIER = "\0"
"""Stands between texts that are folded in one go. In a text itself it separates words, as a space does."""
_ASCII: Final = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(128)) + bytes(128)
_ASCII_JOINED: Final = b"\0" + _ASCII[1:]

_RUN_SCRIPTS: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul letters
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),
    (0x3021, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x3130, 0x318F),  # Hangul
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),  # Hangul
    (0xA9E0, 0xA9FF),  # Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFFDC),  # half-width Katakana and Hangul
    (0x1AFF0, 0x1B16F),  # Kana
    (0x20000, 0x3FFFF),  # Han
)
_ACCENTS: Final = (
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A),
    (0x064B, 0x065F),  # Arabic vowel signs
    (0x0670, 0x0670),
    (0x180B, 0x180F),  # variation selectors
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),  # variation selectors
)
# Marks of combining class 0 are letters to the C library, and those of other classes are not. The exceptions:
_LOOSE: Final = (
    (0x034F, 0x034F),
    (0x0488, 0x0489),
    (0x0AFD, 0x0AFF),
    (0x0B55, 0x0B55),
    (0x0C04, 0x0C04),
    (0x0F3E, 0x0F3F),
    (0x180B, 0x180F),
    (0x1ABE, 0x1ABE),
    (0x1CE1, 0x1CE1),
    (0x1CF7, 0x1CF7),
    (0x20DD, 0x20E4),
    (0xA670, 0xA672),
    (0xABEC, 0xABEC),
    (0xFE00, 0xFE0F),
    (0x11080, 0x11081),
    (0x111C9, 0x111CC),
    (0x11A33, 0x11A98),
    (0x16FE4, 0x16FE4),
    (0x1BC9D, 0x1DAAF),
    (0xE0100, 0xE01EF),
)
_FIRM: Final = (
    (0x05B0, 0x05BD),
    (0x05BF, 0x05BF),
    (0x05C1, 0x05C2),
    (0x05C4, 0x05C5),
    (0x05C7, 0x05C7),
    (0x0610, 0x061A),
    (0x064B, 0x0657),
    (0x0659, 0x065F),
    (0x0670, 0x0670),
)
_JAMO: Final = ((0x3131, 0x318E), (0xFFA0, 0xFFDC))
"""Single Hangul letters, left as they are: decomposed, they would join into syllables and no longer be found."""


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _decomposed(char: str) -> str:
    """The letters of one character without accents and case."""
    text = "".join(c for c in unicodedata.normalize("NFKD", char) if not _within(ord(c), _ACCENTS))
    text = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    text = "".join(c for c in text if not _within(ord(c), _ACCENTS))
    return unicodedata.normalize("NFC", text.casefold())


def _is_symbol(code: int, category: str) -> bool:
    return category in ("So", "No") or 0x1F3FB <= code <= 0x1F3FF


def _part(char: str) -> str:
    """What one character of a decomposed text stands for: itself, itself as part of a run, or a gap."""
    code = ord(char)
    category = unicodedata.category(char)
    if _is_symbol(code, category):
        return _RUN + char + _RUN
    if category[0] not in "LM" and category not in ("Nd", "Nl"):
        return " "
    return _RUN + char + _RUN if _within(code, _RUN_SCRIPTS) else char


def _mark(char: str) -> str:
    """What a mark that stands by itself stands for."""
    code = ord(char)
    if code == 0x0345:
        return _IOTA
    voiced = code in (0x3099, 0x309A)
    if _within(code, _RUN_SCRIPTS) and not voiced:
        return _part(char)
    loose = voiced or _within(code, _LOOSE) or (unicodedata.combining(char) != 0 and not _within(code, _FIRM))
    if _within(code, _ACCENTS):
        return _DROPPED if loose else ""
    if voiced:
        return _RUN + _KEPT + char + _RUN
    return _KEPT + char if loose else char


class _Table(dict[int, str]):
    """What each character stands for, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if category[0] == "M":
            meaning = _mark(char)
        elif _is_symbol(code, category) or _within(code, _JAMO):
            meaning = "".join(map(_part, char.casefold()))
        elif category[0] == "L" or category in ("Nd", "Nl"):
            meaning = "".join(map(_part, _decomposed(char)))
        else:
            meaning = " "
        self[code] = meaning
        return meaning


_TABLE: Final = _Table()


def _spaced(marked: str) -> str:
    text = marked.replace(_RUN * 2, "").replace(_RUN, " ")
    tokens = unicodedata.normalize("NFC", text).split()
    return f" {' '.join(tokens)} " if tokens else ""


def _folded(text: str, table: bytes) -> str:
    # Bytes are translated several times as fast as text.
    return text.encode().translate(table).decode("ascii")


def _readings(text: str) -> tuple[str, ...]:
    """The one or two canonical forms of the text; none if it holds no token."""
    if text.isascii():
        tokens = _folded(text, _ASCII).split()
        return (f" {' '.join(tokens)} ",) if tokens else ()
    marked = text.translate(_TABLE)
    if not (_DROPPED in marked or _KEPT in marked or _IOTA in marked):
        reading = _spaced(marked)
        return (reading,) if reading else ()
    joined = _spaced(marked.replace(_DROPPED, "").replace(_KEPT, "").replace(_IOTA, ""))
    split = _spaced(re.sub(_KEPT + ".", " ", marked.replace(_DROPPED, " ").replace(_IOTA, "ι"), flags=re.DOTALL))
    return tuple(reading for reading in dict.fromkeys((joined, split)) if reading)


def canonical(text: str) -> str:
    """The folded tokens of the text, each between single spaces, for example " login failed ".

    Forms can be joined with nothing between: no query reaches over the two spaces where they meet.
    """
    return "".join(_readings(text))


def joined_form(texts: list[str]) -> str:
    """The canonical forms of the texts, joined as `"".join(map(canonical, texts))` does, but faster for plain ASCII.

    More than two spaces may stand where forms meet.
    """
    joined = _BARRIER.join(texts)
    if joined.isascii() and joined.count(_BARRIER) == len(texts) - 1:
        tokens = _folded(joined, _ASCII_JOINED).replace(_BARRIER, f" {_BARRIER} ").split()
        form = f" {' '.join(tokens)} ".replace(_BARRIER, "")
        return form if form.strip() else ""
    return "".join(map(canonical, texts))


def _in_run(token: str) -> bool:
    return not token.isascii() and _TABLE[ord(token[0])].startswith(_RUN)


@lru_cache(maxsize=1024)
def needles(text: str, *, prefix: bool = False) -> tuple[str, ...]:
    """What to look for in canonical forms: the text is in a value when one of these is part of the value's form.

    Empty if the text holds no token; then the text itself is looked for in the value itself.
    """
    found = []
    for reading in _readings(text):
        tokens = reading.split()
        left = "" if _in_run(tokens[0]) else " "
        right = "" if prefix or _in_run(tokens[-1]) else " "
        found.append(f"{left}{reading.strip()}{right}")
    return tuple(found)


def words_in(form: str) -> set[str]:
    """What the index holds of a canonical form: each word; of a run each pair of neighbours and the last character."""
    tokens = set(form.split())
    if form.isascii():
        return tokens
    words: set[str] = set()
    for token in tokens:
        if _in_run(token):
            words.update(token[at : at + 2] for at in range(len(token)))
        else:
            words.add(token)
    return words


def words_of(texts: list[str]) -> set[str]:
    """What the index holds of the texts: `words_in(joined_form(texts))`, but faster for plain ASCII."""
    joined = " ".join(texts)
    if joined.isascii():
        return set(_folded(joined, _ASCII).split())
    return words_in("".join(map(canonical, texts)))


def split_words(texts: Sequence[str]) -> list[Collection[str]]:
    """For each text what `words_of` gives for it alone, some perhaps twice; many plain texts are read in one go."""
    joined = _BARRIER.join(texts)
    if joined.isascii() and joined.count(_BARRIER) == len(texts) - 1:
        return [text.split() for text in _folded(joined, _ASCII_JOINED).split(_BARRIER)]
    return [words_of([text]) for text in texts]


@lru_cache(maxsize=1024)
def lookup(needle: str) -> tuple[tuple[tuple[str, bool], ...], bool]:
    """The words to ask the index for, all of them needed, each with whether it is a prefix; and whether that is all
    there is to it. If not, more can be found than the needle is in."""
    tokens = needle.split()
    words: list[tuple[str, bool]] = []
    for place, token in enumerate(tokens, 1):
        if not _in_run(token):
            words.append((token, place == len(tokens) and not needle.endswith(" ")))
        elif len(token) == 1:
            words.append((token, True))
        else:
            words.extend((token[at : at + 2], False) for at in range(len(token) - 1))
    return tuple(dict.fromkeys(words)), len(words) == 1


def fold(text: str) -> str:
    """The text without case and accents, all else in place: for patterns over whole values."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", "".join(map(_decomposed, text)))
