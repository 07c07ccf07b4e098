import re
from pathlib import Path

from stonelog.api.ingest import FORMATS
from stonelog.api.ingest.mapping import load_map

DOCS = (Path(__file__).parents[3] / "docs/ingest.md").read_text(encoding="utf-8")


def test_every_format_has_a_section():
    """A format that docs/ingest.md does not describe is not finished, and none is described that isn't there."""
    assert set(re.findall(r"^### (\S+)$", DOCS, re.MULTILINE)) == set(FORMATS)
    assert all(form.summary for form in FORMATS.values())


def test_the_map_of_the_documentation_does_what_it_says(intake, tmp_path):
    """The map and the command's input that stand in docs/ingest.md make the event they promise."""
    path = tmp_path / "map.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1])
    assert load_map(path).rest.into == "metadata"
    line = re.search(r"printf '%s\\n' '(.*?)'", DOCS)[1]
    assert intake(line.encode(), mapping=path).appended == 1
    made = intake.events()[0]
    assert (made["level"], made["action"], made["username"]) == ("warning", "order_placed", "17")
    assert made["metadata"]["order"] == "i1"
