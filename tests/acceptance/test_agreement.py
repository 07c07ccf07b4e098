"""Questions made of what real logs hold: the index finds what a plain loop over the lines finds."""

import gzip
import itertools
import random
import re
from pathlib import Path

import pytest

from stonelog.filestore import Reader, loads
from stonelog.indexer import Index
from stonelog.indexer.build import Builder
from stonelog.indexer.match import compile_filter
from stonelog.indexer.planning import Sizes
from stonelog.indexer.query import parse

LOGS = (
    ("combined", "access/apache_combined.log.gz", 1_000),
    ("auth", "auth/auth_aws_host.log.gz", 1_000),
    ("cloudtrail", "cloudtrail/ec2_proxy_s3.jsonl.gz", 100),
    ("suricata", "suricata/honeypot-2018.jsonl.gz", 100),
)
QUESTIONS = 150
FACETS = ("username", "ip_address", "status_code", "user_agent", "tags", "metadata.pid")


def escaped(text):
    return re.sub(r'([\\"()*:\[\]{}<> -])', r"\\\1", text)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_of(event, chance):
    """A field of the event, or a path of its metadata, and a value that stands there."""
    name = chance.choice([name for name in event if name not in ("seq", "id", "time", "synced", "hash")])
    value, path = event[name], name
    while isinstance(value, dict) and value:
        key = chance.choice(list(value))
        value, path = value[key], f"{path}.{key}"
    if isinstance(value, list):
        value = chance.choice(value) if value else None
    return escaped(path), value


def condition(event, chance):
    path, value = value_of(event, chance)
    if value is None or isinstance(value, dict | list):
        return f"{path}:*"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    words = re.findall(r"\w+", text)
    kinds = ["equal", "there", "phrase", "begins"] + ["word"] * bool(words) + ["range"] * (type(value) in (int, float))
    match chance.choice(kinds):
        case "there":
            return f"{path}:*"
        case "word":
            return quoted(chance.choice(words)) if chance.random() < 0.5 else f"{chance.choice(words)[:3]}*"
        case "phrase":
            return quoted(text[chance.randint(0, 5) : chance.randint(6, 40)] or "x")
        case "begins":
            return f"{path}:{escaped(text[: chance.randint(0, len(text))])}*"
        case "range":
            return f"{path}:{chance.choice(('>', '>=', '<', '<='))}{value}"
    return f"{path}:{quoted(text)}"


def question(events, chance, depth=0):
    kind = chance.random()
    if depth > 2 or kind < 0.5:
        return condition(chance.choice(events), chance)
    parts = [question(events, chance, depth + 1) for _ in range(2)]
    if kind < 0.7:
        return f"({' '.join(parts)})"
    return f"({' OR '.join(parts)})" if kind < 0.88 else f"NOT ({parts[0]})"


@pytest.mark.parametrize("sizes", [Sizes(), Sizes(block=128, shard=512)])
def test_questions_of_real_logs(stonelog, shared, tmp_path, sizes):
    """Of each of 150 questions of real words, values and paths the index gives the seqs that a plain test gives."""
    for form, name, most in LOGS:
        part = tmp_path / f"{form}.log"
        with gzip.open(shared(name)) as log:
            part.write_bytes(b"".join(itertools.islice(log, most)))
        assert stonelog("ingest", "--format", form, part).code == 0
    directory = Path(tmp_path, "store")
    builder = Builder(directory, sizes=sizes)
    builder.catch_up()
    builder.close()
    events = [loads(line.raw) for line in Reader(directory).lines()]
    chance = random.Random(f"{sizes}")
    with Index.open(directory) as index, Index.open(directory, scan=True) as scan:
        for number in range(QUESTIONS):
            q = question(events, chance)
            matches = compile_filter(parse(q))
            expected = [event["seq"] for event in events if matches(event)]
            assert index.count(q) == len(expected), q
            assert [event.seq for event in index.search(q, limit=1_000, order="asc").events] == expected[:1_000], q
            if number % 15 == 0:
                assert index.facets(q, FACETS, limit=100) == scan.facets(q, FACETS, limit=100), q
                assert index.histogram(q, step="1h") == scan.histogram(q, step="1h"), q
                assert index.stats(q) == scan.stats(q), q
        assert index.status().state == "ok"
        assert not list(Path(directory, "index").glob("*.bad"))
