"""What a text says once its encodings are taken off: the form in which attack patterns are looked for."""

from __future__ import annotations

import binascii
import re
from functools import cached_property
from typing import Final

__all__ = ["LOOKED_AT", "WHOLE", "View", "decoded", "folded", "unquoted"]

LOOKED_AT: Final = 64 * 1024
"""How many characters of a text are looked at."""
WHOLE: Final = 2048
"""Up to so many, a text is examined whole; of a longer one, what stands around telling words (`_excerpt`)."""
_ROUNDS: Final = 3

_AROUND: Final = 80
_TELLING: Final = (
    *("select", "union", "' or", "sleep(", "waitfor", "outfile", "--", "' ", "')", "';", "||", "<script"),
    *("<svg", "<i", "<!", "<?", "script:", "onerror", "onload", "alert(", "document.", "&#", "\\u00"),
    *("%2", "%3", "%u", "../", "..\\", "etc/", "/proc", ".ini", "bin/", "file:", "php:", "169.254", "; "),
    *("`", "$(", "${", "{{", "<%", "__", "wget", "curl", "() {", "jndi", "runtime", "system(", "$_"),
    *("[$", '"$', ")(", "\n", "http/1", "localhost"),
)

_OVERLONG: Final = (
    *((b"\xc0\xae", b"."), (b"\xc0\xaf", b"/"), (b"\xc1\x9c", b"\\"), (b"\xc0\xbc", b"<"), (b"\xc0\xbe", b">")),
    *((b"\xc0\xa7", b"'"), (b"\xc0\xa2", b'"'), (b"\xe0\x80\xaf", b"/"), (b"\xe0\x80\xae", b".")),
)
_FULL_WIDTH: Final = (
    *((chr(ord(plain) + 0xFEE0), plain) for plain in "'\"<>()/.=;&|%\\`-:"),
    ("\u3002", "."),
)
_NAMED: Final = {
    **dict(
        zip(("lt", "gt", "quot", "apos", "amp", "colon", "semi", "num", "period", "excl"), "<>\"'&:;#.!", strict=True)
    ),
    **dict(zip(("lpar", "rpar", "sol", "bsol", "equals", "grave", "dollar", "verbar"), "()/\\=`$|", strict=True)),
    **dict(zip(("lbrace", "lcub", "rcub", "newline", "tab", "nbsp"), "{{}\n\t\xa0", strict=True)),
}
_MARK: Final = re.compile(
    r"\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|%u([0-9a-f]{4})"
    r"|&#x0{0,8}([0-9a-f]{1,6});?|&#0{0,8}([0-9]{1,7});?|&(" + "|".join(_NAMED) + ");"
)
_DECIMAL, _NAME = 6, 7


def unquoted(text: str) -> str:
    """The text with each `%XX` replaced, in one round; bytes that are no UTF-8 become U+FFFD, overlong forms of
    telling characters those characters, and `%` that begins no such triplet stays.

    Of a `%%` in a long text one stays.
    """
    if "%" not in text:
        return text
    # Quoted-printable is the same but for its sign, and decoded in C: a dozen times as fast as doing it here. What it
    # gives for a sign that begins no triplet is the sign, so the signs that were in the text stand aside as \1.
    line = text.encode("utf-8", "surrogatepass").replace(b"\x01", b"\x02").replace(b"%01", b"%02")
    line = line.replace(b"=", b"\x01").replace(b"%3d", b"\x01").replace(b"%3D", b"\x01")
    for broken in (b"%%", b"%%", b"%\r", b"%\n") if len(text) <= WHOLE else (b"%\r", b"%\n"):
        line = line.replace(broken, b"%25" + broken[1:])
    if line.endswith(b"%"):
        line += b"25"
    line = binascii.a2b_qp(line.replace(b"%", b"=")).replace(b"=", b"%").replace(b"\x01", b"=")
    if b"\xc0" in line or b"\xc1" in line or b"\xe0" in line:
        for overlong, plain in _OVERLONG:
            line = line.replace(overlong, plain)
    return line.decode("utf-8", "replace")


def decoded(text: str) -> str:
    """The text in lower case with URL, HTML and JavaScript encodings taken off, up to three layers of each.

    Of a text longer than LOOKED_AT the rest is left out, of a long one also what is far from any telling word.
    """
    text = text[:LOOKED_AT]
    if len(text) > WHOLE:
        text = _excerpt(_plain(unquoted(text)).encode("ascii", "replace").decode().lower())
    text = _lowered(text)
    for _ in range(_ROUNDS):
        before = text
        if "&" in text or "\\" in text or "%u" in text:
            text = _MARK.sub(_meant, text)
        text = _lowered(unquoted(text)) if "%" in text else text
        if text == before:
            break
    return text


def folded(text: str) -> str:
    """The text with comments and runs of white space made one space; `+` is one where there is no other.

    Of line ends one stays: it ends what `--` begins. What MySQL runs in spite of the comment (`/*! ... */`) stays too.
    """
    if "/*" in text:
        text = _without_comments(text)
    text = text.replace("\0", " ")
    if "\n" in text:
        first, *others = (" ".join(line.split()) for line in text.split("\n"))
        text = "\n".join((first, *filter(None, others)))
    else:
        text = " ".join(text.split())
    return text.replace("+", " ") if "+" in text and " " not in text else text


def _without_comments(text: str) -> str:
    """The text with comments as spaces; one that does not end stays."""
    first, *rest = text.split("/*")
    parts, opened = [first], []
    for part in rest:
        inside, end, after = part.partition("*/")
        if not end:
            opened.append("/*" + part)
        elif inside.startswith("!") and not opened:
            parts.append(f" {inside[1:].lstrip('0123456789')} {after}")
        else:
            opened.clear()
            parts.append(" " + after)
    return "".join(parts + opened)


class View:
    """A text in the forms in which it is looked at; each is made when it is first wanted."""

    def __init__(self, text: str) -> None:
        self.text = decoded(text)

    @cached_property
    def folded(self) -> str:
        """With comments and white space folded."""
        return folded(self.text)

    @cached_property
    def compact(self) -> str:
        """Without white space, controls and comments: a browser reads `jav&#9;ascript:` all the same."""
        text = "".join(self.text.translate(_CONTROLS).split())
        first, *rest = text.split("/*")
        return first + "".join(part.partition("*/")[2] if "*/" in part else "/*" + part for part in rest)

    @cached_property
    def calls(self) -> frozenset[tuple[str, str]]:
        """The names of functions that are called, each with the first character of what they are given."""
        return frozenset(_CALL.findall(self.text)) if "(" in self.text else frozenset()

    @cached_property
    def slashes(self) -> str:
        """With every kind of slash, and dots written as numbers, as in a path."""
        text = self.text.replace("\\", "/")
        if "2e" in text or "2f" in text or "5c" in text:
            text = text.replace("0x2e", ".").replace("x2e", ".").replace("2e2e", "..").replace("0x2f", "/")
            text = text.replace("0x5c", "/").replace("..2f", "../").replace("..5c", "../")
        return text.replace("\0", "")

    @cached_property
    def bare(self) -> str:
        """Without what a shell takes off words: quotes, backslashes, carets and empty variables."""
        text = self.folded
        for mark in ("'", '"', "\\", "^", "$@", "$*"):
            text = text.replace(mark, "")
        return text.replace("${ifs}", " ").replace("$ifs$9", " ").replace("$ifs", " ")


_CALL: Final = re.compile(r"(?<!\w)([a-z_]\w{1,40}+)\((?=(.))", re.DOTALL)
_CONTROLS: Final = dict.fromkeys([*range(0x20), 0x7F, 0xA0, 0xAD, 0x200B, 0xFEFF])


def _meant(match: re.Match[str]) -> str:
    """The character that an escape or entity stands for; itself where there is no such one."""
    which = match.lastindex or 0
    value = match[which]
    if which == _NAME:
        return _NAMED[value]
    code = int(value) if which == _DECIMAL else int(value, 16)
    return chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else match.group()


def _lowered(text: str) -> str:
    return _plain(text.lower())


def _plain(text: str) -> str:
    """The text with full-width marks as plain ones, as some databases and file systems take them."""
    if not text.isascii():
        for wide, plain in _FULL_WIDTH:
            text = text.replace(wide, plain)
    return text


def _excerpt(text: str) -> str:
    """What stands around the first and the last place of each telling word, with the beginning and the end, at most
    some 3,000 characters. It bounds what the patterns cost on texts made to be costly."""
    spans = [(0, 512), (len(text) - 256, len(text))]
    for word in _TELLING:
        first = text.find(word)
        if first >= 0:
            spans.append((max(0, first - _AROUND), first + 2 * _AROUND))
            last = text.rfind(word)
            spans.append((max(0, last - _AROUND), last + 2 * _AROUND))
    spans.sort()
    parts: list[str] = []
    done = room = 0
    for start, end in spans:
        start = max(start, done)
        if start < end:
            parts.append(text[start:end] if start == done else "\n" + text[start:end])
            done = end
            room += end - start
            if room > WHOLE + WHOLE // 2:
                break
    return "".join(parts)
