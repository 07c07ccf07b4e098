"""Numbers and addresses that are personal by their form: cards, IBANs, social security numbers, e-mail, telephone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .redaction_patterns import Span

__all__ = [
    "cards",
    "emails",
    "ibans",
    "is_card",
    "is_card_number",
    "many_digits",
    "phones",
    "social_security_numbers",
    "some_digits",
]

_DIGITS: Final = bytes(ord("d") if chr(code) in "0123456789" else ord(" ") for code in range(256))
_LEAST_CARD: Final = b"d" * 13
_BETWEEN: Final = b" -+"

_SOLID = re.compile(r"[0-9]{13,}+")
_GROUPED = re.compile(
    r"[0-9]{4}(?<![0-9A-Za-z].{4})(?P<by>[ +-])(?:[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{4}(?:(?P=by)[0-9]{1,3})?"
    r"|[0-9]{6}(?P=by)[0-9]{4,5})(?![0-9A-Za-z])",
    re.DOTALL,
)
_SCHEMES = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12,15}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)
"""The beginnings and lengths of Visa, Mastercard, American Express, Diners, JCB, Discover, UnionPay, Maestro."""
_JOINING: Final = ("-", ".")
_JOINED_BEFORE = re.compile(r"(?:[0-9a-fA-F]{4}-|[0-9]\.)\Z")
_JOINED_AFTER = re.compile(r"-[0-9a-fA-F]{2}|\.[0-9]")
_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")

_EMAIL = re.compile(
    r"@(?<=[A-Za-z0-9_%+.\-!#$&'*/=?^`{|}~]@)(?:[A-Za-z0-9-]{1,63}+\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_EMAIL_NAME: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_%+.-"
_IBAN = re.compile(
    r"[A-Za-z]{2}(?<![A-Za-z0-9].{2})[0-9]{2}"
    r"(?:[A-Za-z0-9]{11,30}|(?:[ ][A-Za-z0-9]{4}){2,7}(?:[ ][A-Za-z0-9]{1,3})?)(?![A-Za-z0-9])"
)
_LETTER_VALUES: Final = {character: str(int(character, 36)) for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_SSN = re.compile(r"[0-9]{3}(?<![0-9A-Za-z-].{3})-[0-9]{2}-[0-9]{4}(?![0-9A-Za-z-])")
_PHONE = re.compile(
    r"[+(0-9](?<![0-9A-Za-z.+/_:-].)[0-9]{0,4}+\)?(?:[ .-]{1,2}\(?[0-9]{1,7}+\)?){1,6}"
    r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?(?![0-9A-Za-z])"
)
_NO_PHONE = re.compile(r"(?:19|20)[0-9]{2}[-. ][0-9]{2}[-. ][0-9]{2}|(?:[0-9]{1,3}\.){3}[0-9]{1,3}$")
"""Dates and addresses of machines."""


def many_digits(text: str) -> bool:
    """Whether there are enough digits in a row for a card, spaces and dashes left aside."""
    return _LEAST_CARD in text.encode("utf-8", "replace").translate(_DIGITS, _BETWEEN)


def some_digits(text: str) -> bool:
    """Whether there are enough digits in all for a telephone number."""
    return text.encode("utf-8", "replace").translate(_DIGITS).count(b"d") >= 7


def is_card(digits: str) -> bool:
    """Whether the digits are a card's: a beginning and a length that there are, and Luhn's sum."""
    places = digits.encode()
    total = sum(places[-1::-2]) + sum(places[-2::-2].translate(_DOUBLED)) - 48 * len(places)
    return total % 10 == 0 and _SCHEMES.fullmatch(digits) is not None


def is_card_number(value: int) -> bool:
    """Whether the number is a card's."""
    return 10**12 <= value < 10**19 and is_card(str(value))


def cards(text: str) -> Iterator[Span]:
    """The numbers of cards, whole or in groups; not those inside longer numbers, fractions, and identifiers."""
    for match in _SOLID.finditer(text):
        start, end = match.span()
        if end - start <= 19 and _stands_alone(text, start, end) and is_card(match[0]):
            yield start, end, "card"
    for match in _GROUPED.finditer(text):
        number = match[0]
        if is_card(number.replace(number[4], "")):
            yield *match.span(), "card"


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the digits are no part of a word, a fraction, a UUID, or ids joined by dashes."""
    if text[start - 1 : start].isalnum() or text[end : end + 1].isalnum():
        return False
    if text[start - 1 : start] in _JOINING and _JOINED_BEFORE.search(text[max(0, start - 5) : start]):
        return False
    return _JOINED_AFTER.match(text, end) is None


def ibans(text: str) -> Iterator[Span]:
    """The account numbers in the international form whose check digits are right."""
    for match in _IBAN.finditer(text):
        number = match[0].replace(" ", "").upper()
        turned = number[4:] + number[:4]
        if 15 <= len(number) <= 34 and int("".join(map(_LETTER_VALUES.__getitem__, turned))) % 97 == 1:
            yield *match.span(), "iban"


def social_security_numbers(text: str) -> Iterator[Span]:
    """US social security numbers as they are written, in the ranges that are given out."""
    for match in _SSN.finditer(text):
        area, group, serial = match[0].split("-")
        if area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000":
            yield *match.span(), "ssn"


def emails(text: str) -> Iterator[Span]:
    """The e-mail addresses."""
    for match in _EMAIL.finditer(text):
        name = text[max(0, match.start() - 64) : match.start()]
        start = match.start() - len(name) + len(name.rstrip(_EMAIL_NAME))
        if start < match.start():
            yield start, match.end(), "email"


def phones(text: str) -> Iterator[Span]:
    """What is written like a telephone number: seven digits or more in groups, with a plus or a separator."""
    for match in _PHONE.finditer(text):
        if 7 <= sum(map(str.isdigit, match[0])) <= 19 and _NO_PHONE.match(match[0]) is None:
            yield *match.span(), "phone"
