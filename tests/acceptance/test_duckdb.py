"""Real logs, asked of the index and of DuckDB over the same files: the answers are the same."""

import gzip
import itertools
import random
from contextlib import closing
from pathlib import Path

import pytest

from asked import (
    about,
    at_level,
    begins,
    both,
    compared,
    either,
    equals,
    fits,
    holds,
    in_network,
    leaf_equals,
    numbered,
    ranged,
    text_ranged,
    there,
    timed,
    within_addresses,
    without,
    words,
)
from duck import Duck
from stonelog.indexer import Builder, Index
from stonelog.indexer.planning import Sizes

pytest.importorskip("duckdb")

INDEXED = (
    ("combined", "access/apache_combined.log.gz", 1_000),
    ("auth", "auth/auth_aws_host.log.gz", 1_000),
    ("cloudtrail", "cloudtrail/stratus_even.jsonl.gz", 250),
)
LATER = (
    ("cloudtrail", "cloudtrail/ec2_proxy_s3.jsonl.gz", 100),
    ("suricata", "suricata/honeypot-2018.jsonl.gz", 100),
)
FACETS = ("level", "ip_address", "status_code", "username", "metadata.pid")
WROTE = "metadata.bytes"
PID = "metadata.pid"
PORT = "metadata.port"
READ_ONLY = "metadata.readOnly"
WHO = "metadata.userIdentity"

ASKED = (
    words("googlebot"),
    words("Invalid user"),
    words("too many AUTHENTICATION", "message"),
    words("GooGle", prefix=True),
    words("session opened for user root"),
    words("pam unix", "message"),
    words("mozilla", "user_agent"),
    words("preau", "message", prefix=True),
    words("semicomplete.com"),
    words("us-east-1"),
    words("22"),
    equals("username", "root"),
    equals("path", "/blog/tags/puppet?flav=rss20"),
    equals("service", "sshd"),
    equals("method", "HEAD"),
    equals("category", "Authentication", "authentication"),
    equals("outcome", "FAILURE", "failure"),
    begins("path", "/blog/"),
    begins("path", "/projects/xdotool/"),
    begins("action", "get_"),
    begins("username", "r"),
    fits("path", "", "logstash", ".png"),
    fits("username", "", "dm", ""),
    fits("user_agent", "", "windows nt", ""),
    fits("status_code", "4", ""),
    fits("ip_address", "66.", ""),
    fits("request_id", "", "-4", ""),
    numbered("status_code", 404),
    numbered("status_code", 404.0, "4.04e2"),
    compared("status_code", ">=", 400),
    ranged("status_code", 300, 400, False, True),
    compared(WROTE, ">", 29_107.5),
    ranged(WROTE, 0, 9_316, True),
    leaf_equals(PID, "14922", 14922),
    compared(PID, "<", 15_000),
    compared("seq", "<=", 7),
    ranged("seq", 99, 103),
    there("metadata.invalid_user"),
    there(WHO),
    there(f"{WHO}.sessionContext"),
    there("error_type"),
    there("error_message"),
    leaf_equals("metadata.invalid_user", "true"),
    leaf_equals(READ_ONLY, "false"),
    leaf_equals(READ_ONLY, "true"),
    begins(f"{WHO}.arn", "arn:aws:iam::"),
    text_ranged(f"{WHO}.type", "IAMUser", None),
    compared(PORT, ">", 60_000),
    text_ranged("username", "a", "c", False, True),
    text_ranged("path", None, "/blog", True),
    holds("://"),
    in_network("66.249.0.0/16"),
    in_network("46.105.14.53/32"),
    in_network("128.0.0.0/1"),
    either(in_network("::/0"), numbered("status_code", 404)),
    within_addresses("60.0.0.0", "70.255.255.255"),
    at_level(">=", "warning"),
    at_level("", "INFO"),
    timed("", "2015-05-17"),
    timed(">", "2015-05-17"),
    timed("<=", "2015-05-17T14:05:47+02:00"),
    timed(">=", "2026-03-28"),
    both(words("bot"), compared("status_code", ">=", 300)),
    both(equals("service", "sshd"), without(equals("username", "root")), words("invalid user"), sign=" "),
    both(either(in_network("66.249.0.0/16"), in_network("100.0.0.0/8")), without(words("googlebot"), "-")),
    both(timed("<", "2020-01-01"), either(begins("path", "/presentations/"), fits("path", "", ".css")), there("path")),
    either(numbered("status_code", 404), equals("username", "ubuntu"), leaf_equals(READ_ONLY, "false")),
    without(either(there("ip_address"), there("username"))),
    without(both(there("metadata.userIdentity.type"), at_level(">", "info"))),
)


def ingest(quick, shared, tmp_path, logs):
    for form, name, most in logs:
        part = tmp_path / f"{form}.log"
        with gzip.open(shared(name)) as log:
            part.write_bytes(b"".join(itertools.islice(log, most)))
        done = quick("ingest", "--format", form, part)
        assert done.exit_code == 0, done.stderr


def stored(quick, shared, tmp_path):
    """A store of real logs, with an index in many small shards that does not reach the last ones."""
    directory = Path(tmp_path, "store")
    ingest(quick, shared, tmp_path, INDEXED)
    with closing(Builder(directory, sizes=Sizes(block=256, shard=768))) as builder:
        builder.catch_up()
    ingest(quick, shared, tmp_path, LATER)
    return directory


def check(duck, indexes, asked, fields=FACETS):
    seqs, q = duck.seqs(asked), asked.q
    facets = duck.found(asked).facets(fields, 10)
    for index in indexes:
        assert [event.seq for event in index.search(q, limit=50).events] == seqs[:-51:-1], q
        assert index.count(q) == len(seqs), q
        assert index.facets(q, fields, limit=10) == facets, q
    return len(seqs)


def test_what_is_asked_of_real_logs(quick, shared, tmp_path):
    """Of some seventy questions the newest 50 events, the count and the facets are those of DuckDB."""
    directory = stored(quick, shared, tmp_path)
    with closing(Duck()) as duck, Index.open(directory) as index, Index.open(directory, scan=True) as scan:
        total = duck.read(directory)
        for number, asked in enumerate(ASKED):
            count = check(duck, [index] if number % 5 else [index, scan], asked)
            assert 0 < count < total, asked
            if number % 5 == 0:
                weeks = duck.found(asked).histogram("7 days", "level")
                assert index.histogram(asked.q, step="1w", by="level") == weeks, asked


def question(values, chance, depth=0):
    """Conditions on values that occur, put together."""
    kind = chance.random()
    if depth > 2 or kind < 0.55:
        path = chance.choice([name for name in values if chance.random() < 0.05 or not name.startswith("metadata.")])
        return chance.choice(about(path, *chance.choice(values[path])))
    if kind < 0.68:
        return without(question(values, chance, depth + 1))
    join = both if kind < 0.84 else either
    return join(question(values, chance, depth + 1), question(values, chance, depth + 1))


def test_what_occurs_in_real_logs(quick, shared, tmp_path):
    """Of 60 questions on values that occur the answers are DuckDB's, which reads the sealed days like other files."""
    directory = stored(quick, shared, tmp_path)
    assert quick("seal", "--all").exit_code == 0
    chance = random.Random("duck")
    with closing(Duck()) as duck, Index.open(directory) as index, Index.open(directory, scan=True) as scan:
        duck.read(directory)
        values = {}
        for path, text, number in duck.leaves():
            values.setdefault(path, []).append((text, number))
        for number in range(60):
            asked = question(values, chance)
            fields = chance.sample(FACETS, 2)
            check(duck, [index] if number % 15 else [index, scan], asked, fields)
