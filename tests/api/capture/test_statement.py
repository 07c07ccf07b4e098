"""The shape of SQL statements: no value is left in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.api.capture.statement import Habits, shape

MYSQL = Habits("values", hashes=True)
SQLITE = Habits("either", brackets=True)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a.b2 FROM t1 WHERE x = 'it''s' AND y=12.5e3", "SELECT a.b2 FROM t1 WHERE x = ? AND y=?"),
        ("SELECT a WHERE a = :a AND b = %(b_1)s AND d = $1", "SELECT a WHERE a = ? AND b = ? AND d = ?"),
        ("SELECT x::int,\n  N'n', E'e', 0xFF, X'1F'", "SELECT x::int, ?, …"),
        ("DELETE FROM t WHERE id IN (?, ?,?, 4)", "DELETE FROM t WHERE id IN (?, …)"),
        ("INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (3, 'x')", "INSERT INTO t (a, b) VALUES (?, …), …"),
        ("SELECT $$a'b$$, $t$ $$ $t$ -- 'x\nFROM t /* 'y' */", "SELECT ?, … FROM t"),
        ('SELECT "Users"."id" FROM "Users"', 'SELECT "Users"."id" FROM "Users"'),
        ("SELECT `id` FROM `my-table`", "SELECT `id` FROM `my-table`"),
    ],
)  # fmt: skip
def test_values_and_parameters_are_question_marks(statement: str, expected: str) -> None:
    """Names and words stay, lists are one shape whatever their length, comments go."""
    assert shape(statement) == expected


@pytest.mark.parametrize(
    ("habits", "statement", "expected"),
    [
        (MYSQL, 'SELECT a FROM t WHERE b = "secret"', "SELECT a FROM t WHERE b = ?"),
        (MYSQL, "SELECT a # it's\nFROM t WHERE b = 's'", "SELECT a FROM t WHERE b = ?"),
        (SQLITE, 'SELECT "t"."a" FROM "t" WHERE "t".b = "secret"', 'SELECT "t"."a" FROM "t" WHERE "t".b = ?'),
        (SQLITE, "SELECT [it's] FROM [my table] WHERE b = 's'", "SELECT ? FROM [my table] WHERE b = ?"),
    ],
)
def test_dialects_have_their_habits(habits: Habits, statement: str, expected: str) -> None:
    """Where double quotes may be values they are taken for such, unless what stands around says otherwise."""
    assert shape(statement, habits) == expected


@pytest.mark.parametrize(
    "statement",
    [
        r"SELECT 'it\'s secret', 2",
        r'SELECT "it\"s secret", 2',
        "SELECT q'[it's secret]' FROM dual",
        "SELECT /* a /* b */ secret */ 1",
        "SELECT /* secret",
        "SELECT 'secret",
        "SELECT $a$ secret",
        "SELECT `it's secret",
    ],
)
def test_what_is_not_certain_is_left_out(statement: str) -> None:
    """Where dialects differ about the end of a text, nothing after it is kept."""
    for habits in (Habits(), MYSQL, SQLITE):
        assert "secret" not in shape(statement, habits)


TEXTS = st.lists(st.text("'\"\\`$/*-#[]() \nqQeE;?%:a0", max_size=12), min_size=1, max_size=4)


@settings(max_examples=200)
@given(TEXTS, st.sampled_from([Habits(), MYSQL, SQLITE]))
def test_no_quoted_value_is_left(texts: list[str], habits: Habits) -> None:
    """Whether texts are quoted as the standard has it or as MySQL has, and whichever the dialect is."""
    texts = [f"zsecret{text}zsecret" for text in texts]
    standard = [text.replace("'", "''") for text in texts]
    escaped = [text.replace("\\", "\\\\").replace("'", "\\'") for text in texts]
    for quoted in (standard, escaped):
        values = ", ".join(f"'{text}'" for text in quoted)
        assert "zsecret" not in shape(f"SELECT a FROM t WHERE b IN ({values}) AND c = 1", habits)


@settings(max_examples=200)
@given(st.text("'\"\\`$/*-#[]() \nqe?%:a0", max_size=60))
def test_any_text_has_a_bounded_shape(text: str) -> None:
    """Of nonsense too, and the shape of a shape is no longer than it."""
    for habits in (Habits(), MYSQL, SQLITE):
        assert len(shape(text * 200, habits)) <= 2_002
