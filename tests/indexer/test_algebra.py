import sqlite3
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.algebra import ALL, NONE, UNSURE, Part, all_of, any_of, flipped, prefixed, quoted
from stonelog.indexer.schema import TOKENIZER
from stonelog.indexer.terms import encode

# Eight rows that hold each subset of three letters.
SUBSETS = [{letter for letter, held in zip("abc", mask, strict=True) if held} for mask in product((0, 1), repeat=3)]


@pytest.fixture(scope="module")
def connection() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute(f'CREATE VIRTUAL TABLE terms USING fts5(t, content="", detail=none, tokenize="{TOKENIZER}")')
    database.executemany("INSERT INTO terms(rowid, t) VALUES (?, ?)", enumerate(map(" ".join, SUBSETS)))
    return database


def rows(connection: sqlite3.Connection, part: Part) -> set[int]:
    found: set[int] = set()
    if part.expression is not None:
        sql = "SELECT rowid FROM terms WHERE terms MATCH ?"
        found = {row for (row,) in connection.execute(sql, (part.expression.text,))}
    return set(range(8)) - found if part.negative else found


letters = st.sampled_from("abc").map(lambda letter: Part(quoted(letter)))
formulas = st.recursive(
    st.tuples(st.just("leaf"), letters | st.sampled_from([ALL, NONE])),
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=4))
        | st.tuples(st.just("not"), inner)
    ),
    max_leaves=20,
)


def made(formula: tuple[str, object]) -> Part:
    match formula:
        case ("leaf", Part() as part):
            return part
        case ("not", tuple() as inner):
            return flipped(made(inner))
        case (operator, list() as inner):
            return (all_of if operator == "and" else any_of)([made(each) for each in inner])
    raise AssertionError(formula)


def meant(connection: sqlite3.Connection, formula: tuple[str, object]) -> set[int]:
    match formula:
        case ("leaf", Part() as part):
            return rows(connection, part)
        case ("not", tuple() as inner):
            return set(range(8)) - meant(connection, inner)
        case ("and", list() as inner):
            return set.intersection(*[meant(connection, each) for each in inner])
        case (_, list() as inner):
            return set.union(*[meant(connection, each) for each in inner])
    raise AssertionError(formula)


@given(formulas)
@settings(deadline=None)
def test_the_algebra_is_that_of_sets(connection: sqlite3.Connection, formula: tuple[str, object]) -> None:
    """Whatever is made of AND, OR and NOT finds the rows that the sets say."""
    assert rows(connection, made(formula)) == meant(connection, formula)


def test_what_is_unsure_makes_the_whole_unsure() -> None:
    """A part that may be larger than meant leaves nothing exact but what holds without it."""
    part = Part(quoted("a"))
    assert all_of([part, UNSURE]) == part._replace(exact=False)
    assert any_of([part, UNSURE]) == UNSURE
    assert any_of([UNSURE, ALL]) == ALL
    assert all_of([UNSURE, NONE]) == NONE


def test_a_quoted_term_is_never_syntax(connection: sqlite3.Connection) -> None:
    """Operators, quotes and stars within a term are part of the term."""
    for term in ('a" OR "b', "NOT", "a*", "t:a", "NEAR(a b)", "^a", "-a", "{t}:a"):
        assert rows(connection, Part(quoted(encode(term)))) == set()
    assert rows(connection, Part(prefixed("a"))) == rows(connection, Part(quoted("a")))


def test_fts5_reads_a_thousand_of_anything(connection: sqlite3.Connection) -> None:
    """A wide expression stays within the limits of SQLite's parser."""
    parts = [Part(quoted(f"x{number}")) for number in range(1000)]
    assert rows(connection, any_of([*parts, Part(quoted("a"))])) == rows(connection, Part(quoted("a")))
    assert rows(connection, all_of([*parts, Part(quoted("a"))])) == set()
    assert rows(connection, all_of(list(map(flipped, parts)))) == set(range(8))


@pytest.mark.parametrize("depth", [10, 20, 64, 200])
def test_fts5_reads_any_depth(connection: sqlite3.Connection, depth: int) -> None:
    """An expression too deep for SQLite's parser is given up for one that finds more, and never an error."""
    deep = Part(quoted("a"))
    for level in range(depth):
        other = [Part(quoted("b")), flipped(Part(quoted("c"))), Part(quoted("a"))][level % 3]
        both = all_of([other, deep])
        deep = any_of([other, flipped(both) if both.exact else both])
        rows(connection, deep)
    assert deep.exact == (depth <= 20)
