"""S6: no text of a query is anything but text to SQLite."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answers import walk
from stonelog.filestore import Store
from stonelog.indexer import Index, QueryError

UNUSABLE = "cannot be used"


WORDS = [
    "NEAR",
    "NEAR(",
    "AND",
    "OR",
    "NOT",
    '"',
    "'",
    "*",
    "^",
    ":",
    "-",
    "+",
    "{",
    "}",
    "(",
    ")",
    "\0",
    "\\",
    ";",
    "--",
    ",",
]
PIECES = st.sampled_from(
    [*WORDS, "t", "terms", "rowid", "rank", "ada", "number", "username", "a b", "%", "_", "]", "[", "1", "é", "自由"]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=12), st.sampled_from(["", " "]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_reaches_sql(
    shared: tuple[Index, Index], caplog: pytest.LogCaptureFixture, pieces: list[str], glue: str
) -> None:
    """S6: whatever a query holds, it is understood or refused as a query; SQLite never sees its text as SQL or FTS5."""
    index, scanning = shared
    q = glue.join(pieces)
    try:
        expected = scanning.count(q)
    except QueryError:
        with pytest.raises(QueryError):
            index.count(q)
        return
    assert index.count(q) == expected
    assert len(index.search(q, limit=100).events) == expected
    assert UNUSABLE not in caplog.text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    """One store for all examples, fully indexed, and its scan."""
    directory = tmp_path_factory.mktemp("shared")
    texts = ["ada NEAR number", "a b c", 'say "hi"', "x:y (z)", "nul\0byte", "it's -- ; DROP TABLE events", "自由 é"]
    with Store.open(directory, durability="none") as store:
        store.append_many({"category": "api", "action": "read", "message": text, "username": text} for text in texts)
    with Index.open(directory) as index, Index.open(directory, scan=True) as scanning:
        index.catch_up()
        yield index, scanning


@pytest.mark.parametrize(
    "q",
    [
        *(
            "NEAR(ada number, 5)",
            "username: ada",
            '"NEAR" number',
            "t:ada",
            "{t}: ada",
            "^ada",
            "ada + number",
            "rowid:1",
        ),
        *("ada*", '"ada"*', "'ada'", "ada;", "nul\0byte", '"nul\0byte"', "message:\0", "\0", '"', "%", "a_b"),
        *("username:'' OR 1=1", "x' OR '1'='1", 'metadata.":1', 'metadata.\\":1', "metadata.a\\'b:*", "terms:ada"),
        *(
            "(" * 40 + "ada" + ")" * 40,
            " OR ".join(f"w{n}" for n in range(900)),
            " ".join(f"-w{n}" for n in range(300)),
        ),
        *("message:>ada", "username:[a TO z]", "-(-(ada))", "NOT (ada OR NOT number)", "ada " * 200),
    ],
)
def test_syntax_of_others_is_text(shared: tuple[Index, Index], caplog: pytest.LogCaptureFixture, q: str) -> None:
    """FTS5's and SQL's own syntax means nothing here: an answer equal to the scan's, or a QueryError."""
    index, scanning = shared
    try:
        assert walk(index, q) == walk(scanning, q)
        assert index.count(q) == scanning.count(q)
    except QueryError as error:
        assert 0 <= error.position <= len(q)
    assert UNUSABLE not in caplog.text
