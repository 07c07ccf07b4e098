"""One quick look that lets ordinary texts pass: nothing that the attack patterns find is without one of these marks."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["suspect"]


def _any_of(*words: str) -> str:
    """The pattern of any of the words, in any case.

    Each begins with a set of characters of its own, so that the next is tried without more when the first character is
    another one; with `(?i:` all would be gone through, at ten times the price.
    """
    sets = (
        "".join(f"[{each}{each.upper()}]" if each.isalpha() else re.escape(each) for each in word) for word in words
    )
    return "(?:" + "|".join(sets) + ")"


_FILES: Final = _any_of(
    *("etc", "sbin", "bin", "proc", "var/", "usr/", "dev/", "root", "win", "web", "opt/", "log", "apache", "inetpub"),
    *("private", "wp-c", "id_"),
)
_ENDS: Final = _any_of(
    "ini", "exe", "lang", "io", "env", "git", "php", "conf", "nip", "xip", "sslip", "exec", "sys", "asa"
)
_JAVA: Final = _any_of("getr", "hta", "htp", "module.", "opensym", "sun.org", "apache.")
_SQL: Final = _any_of("select", "union", "xp_", "table ", "waitfor", "order by ", "http/")

# Every alternative begins with a character of its own, so that the search skips over all others without trying
# anything, and tries one alternative where it stops.
_MARK: Final = re.compile(
    "|".join(
        (
            *(r"<", r">", r"'", r'"', r"`", r"\|", r"\\", r"\$", r"\{", r"=", r"&", r"%", r"\n", r"\r", r"\0"),
            r";(?! [A-Z+]| ?q=| rv:| x64| [a-z][a-z]-[A-Za-z][A-Za-z][;)])",
            r"\((?<=[A-Za-z0-9_*)]\()",
            r"\)(?:(?<=\*\))|\)\0)",
            rf"\.(?:\.[\\/\d;]|\.\.\.\.|254\.|{_ENDS}\b|{_JAVA}|(?<=[bB]uilder\.))",
            rf"/(?:\.|\*(?!$|[;,])|[./][./][./]|{_FILES})",
            rf" (?:{_SQL}|-\w|/\w)",
            r":(?:[/\w](?<=\b[A-Za-z]:.)|\d(?<=[tT][pP]:.)|//[\d\[lLmM]|//(?<![tT][pP]://)(?<![pP][sS]://)|(?i:(?<=script:)))",
            r"x(?:(?<=0x)(?:2[eEfF]|5[cC])|2[eE])",
            r"_[cpgsbmiCPGSBMI](?<=__.)(?i:lass|ro|lo|ub|ui|mp|ni|as)",
            r"\+" + _any_of("select", "union", "and+", "or+", "order+by"),
            r"0(?<=rO0)AB",
        )
    )
)


def suspect(text: str) -> bool:
    """Whether it is worth a closer look; False of nearly all that people and programs send."""
    return _MARK.search(text) is not None
