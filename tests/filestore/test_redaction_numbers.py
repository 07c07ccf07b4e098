"""Numbers of cards, and other personal data that has a form."""

import pytest

from stonelog.filestore.redaction import RedactionSettings, Redactor

ALL = RedactionSettings(emails=True, phones=True, ibans=True, ssns=True)


@pytest.mark.parametrize(
    "number",
    [
        *("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111+1111+1111+1111", "5555555555554444"),
        *(
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
            "3530111333300000",
            "6011111111111117",
            "4222222222222",
        ),
        *("6304000000000000", "2223003122003222"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "card {} ok", "n={}&x=1", "({}).", '"{}",', "card-{}"])
def test_cards(number: str, form: str) -> None:
    """Whole or in groups, in all the places where they are written."""
    assert Redactor(RedactionSettings()).text(form.format(number)) == form.format("[redacted:card]")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "4111111111111112",
            "4111 1111 1111 1112",
            "41111111111111111111",
            "0.4111111111111111",
            "4111111111111111.5",
        ),
        *("1735689600123456", "1735689600123", "20260102030405678", "9999999999999995", "abc4111111111111111"),
        *(
            "4111111111111111f",
            "00000000-0000-4000-8000-4111111111111",
            "2026-01-02 03:04:05 4111 1111",
            "1 2 3 4 5 6 7 8 9 0 1 2 3",
        ),
    ],
)
def test_numbers_that_are_no_cards(text: str) -> None:
    """A wrong check digit, another beginning, times, fractions, and parts of something longer."""
    assert Redactor(RedactionSettings()).text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("to ada.l+x@mail.example.co.uk.", "to [redacted:email]."),
        ("mailto:ada@example.com?a=b", "mailto:[redacted:email]?a=b"),
        ("call (020) 7946-0958 now", "call [redacted:phone] now"),
        ("call 555-867-5309 x12", "call [redacted:phone]"),
        ("iban GB69 PMNJ 1891 3943 4307 45 ok", "iban [redacted:iban] ok"),
        ("ssn is 308-63-0237", "ssn is [redacted:ssn]"),
    ],
)
def test_personal_data(text: str, left: str) -> None:
    """Each in the forms that people write it in."""
    assert Redactor(ALL).text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        *("@decorator at me@ a@b", "user@host", "GB69PMNJ18913943430746", "GB69 PMNJ"),
        *("2026-01-02 03:04:05", "10.0.0.1 and 192.168.178.1", "v1.2.3-4", "203db13e-70c7-462b-9a3d-bf32640cb0be"),
    ],
)
def test_what_looks_like_personal_data(text: str) -> None:
    """Names of hosts, wrong check digits, numbers that are not given out, dates and addresses stay."""
    assert Redactor(ALL).text(text) == text


@pytest.mark.parametrize(
    "text", ["000-12-3456", "666-12-3456", "900-12-3456", "308-00-0237", "308-63-0000", "1308-63-0237"]
)
def test_numbers_that_are_no_social_security_numbers(text: str) -> None:
    """Those that are not given out, and parts of others."""
    assert Redactor(RedactionSettings(ssns=True)).text(text) == text
