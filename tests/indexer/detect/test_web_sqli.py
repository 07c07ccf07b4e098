"""The row of kinds that a text has as SQL."""

import pytest

from stonelog.indexer.detect.web_sqli import fingerprint


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("1 or 1=1", "n&non"),
        ("1) or (2)=2 -- ab", "n&nonc"),
        ("1 union all select null,null,3#", "nUEnc"),
        ("select name from users where id = 1", "EwRw&won"),
        ("sleep(5), count(*), f(x)", "Fn,Ga,fw"),
        ("'a' like \"b\"", "sos"),
        ("5pm or 0x1f -2", "w&nan"),
        ("1 -- the rest of the line is prose", "nk"),
        ("1 -- a\n or 2=2", "n&non"),
        ("order by 1; drop table x", "Bn;Dww"),
    ],
)
def test_kinds_of_tokens(text, kinds):
    """Numbers, strings, words, functions and what SQL reserves, a letter each; parentheses are left out."""
    assert fingerprint(text) == kinds


def test_strings_that_do_not_end():
    """They end with the text; a doubled or escaped quote is inside, and nothing is read twice."""
    assert fingerprint("'a''b\\'c") == "s"
    assert fingerprint('x = "') == "wos"
    assert set(fingerprint('"\\' * 20_000)) <= {"s", "x"}


def test_rows_are_bounded():
    """Of a text of very many tokens the first some hundred are read."""
    assert len(fingerprint("a " * 10_000)) < 500
