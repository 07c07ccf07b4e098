"""Who is first, question by question."""

from stonelog.api.bench import Figure, Target, verdict_lines, verdicts

PEERS = ("SQLite", "DuckDB")
ONE = Target("most", 1)


def figures() -> list[Figure]:
    return [
        Figure.of("rare word", "s", [0.002], "its p50", [0.001], ONE),
        Figure.of("rare word", "s", [0.002], "SQLite", [0.001], ONE),
        Figure.of("rare word", "s", [0.002], "DuckDB", [0.008], ONE),
        Figure.of("by hour", "s", [0.003], "SQLite", [0.179], ONE),
        Figure.of("by hour", "s", [0.003], "DuckDB", [0.003], ONE),
        Figure.of("ingest", "events/s", [5], "DuckDB", [50]),
        Figure.of("disk", "B", [5], "DuckDB", [50], Target("most", 0.4)),
    ]


def test_the_best_peer_is_the_one_that_counts():
    """It is ahead only where no peer is faster; what is no peer, or is not held to it, has no part."""
    found = verdicts(figures(), PEERS)
    assert [(each.name, each.peer, each.best, each.times, each.ahead) for each in found] == [
        ("rare word", "SQLite", 0.001, 2, False),
        ("by hour", "DuckDB", 0.003, 1, True),
    ]


def test_the_table_has_a_line_for_each_and_their_number():
    """What is behind stands out, and how many are ahead is told."""
    text = "\n".join(verdict_lines(verdicts(figures(), PEERS)))
    assert [line.split()[-1] for line in text.splitlines() if " ms " in line] == ["BEHIND", "ahead"]
    assert "Ahead of the best peer in 1 of 2." in text


def test_without_peers_nothing_is_said():
    """A benchmark that asks no peer has no table."""
    assert verdict_lines(verdicts(figures(), ["VictoriaLogs"])) == []
