"""The samples: what data/samples/README.md says of them is what grep finds, and what stonelog answers."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stonelog.api.ingest import ingest
from stonelog.filestore import Quarantine, Store
from stonelog.indexer import Index

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
FORMATS = {"access.log": "combined", "access.json": "nginx-json", "app.jsonl": "ndjson", "auth.log": "auth"}
ROW = re.compile(r"^\| `(.+)` \| (?:`(.+)`)? ?\| (\d+) \|$", re.MULTILINE)


def known_answers() -> list[tuple[str, str, int]]:
    rows = ROW.findall((SAMPLES / "README.md").read_text(encoding="utf-8"))
    return [(command.replace("\\|", "|"), query, int(number)) for command, query, number in rows]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index over a store that has the four samples and nothing else."""
    directory = tmp_path_factory.mktemp("samples")
    with Store.open(directory) as store:
        for name, form in FORMATS.items():
            mapping = SAMPLES / "app.map.toml" if name == "app.jsonl" else None
            kept = Quarantine(directory)
            done = ingest(store, [SAMPLES / name], format=form, mapping=mapping, year=2026, quarantine=kept)
            assert (done.rejected, done.first_reason) == (0, None)
    with Index.open(directory) as opened:
        opened.catch_up()
        yield opened


def test_the_table_has_rows() -> None:
    """The table of known answers is found where it stands."""
    assert len(known_answers()) >= 15


@pytest.mark.parametrize(("command", "query", "number"), known_answers())
def test_known_answers(command: str, query: str, number: int, index: Index) -> None:
    """The command over the files and the query over the store give the number in the table."""
    counted = subprocess.run(["bash", "-c", command], cwd=SAMPLES, capture_output=True, text=True, check=True)
    assert int(counted.stdout) == number
    assert index.count(query) == number


def test_a_request_is_found_on_both_sides_of_the_proxy(index: Index) -> None:
    """Each line of the shop that names a request has the id of one line of the proxy before it."""
    proxied = {e.request_id for e in index.search("request_id:* -service:shop", limit=1000).events}
    shop = {e.request_id for e in index.search("request_id:* service:shop -path:/cart", limit=1000).events}
    assert shop
    assert shop <= proxied


def test_samples_tell_nothing_of_the_machine_that_recorded_them() -> None:
    """Addresses in the samples are for documentation or loopback, and no path of a temporary folder is in them."""
    text = "\n".join((SAMPLES / name).read_text(encoding="utf-8") for name in FORMATS)
    addresses = set(re.findall(r"(?<![\d./])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", text))
    documentation = re.compile(r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+|127\.0\.0\.\d+")
    assert {address for address in addresses if not documentation.fullmatch(address)} <= {"10.0.0.1"}  # a user's name
    assert "/tmp" not in text
