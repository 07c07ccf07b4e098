"""`config`."""

import json
import re
import tomllib

import pytest

from stonelog.api.settings import Settings

MODELS = Settings.sections()


def test_config_shows_every_setting_as_toml(run, store):
    """What is shown reads as TOML with every section and setting; without any, the defaults."""
    ended = run("config", "show", "--dir", store)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert tomllib.loads(ended.stdout) == {name: model().model_dump(mode="json") for name, model in MODELS.items()}
    assert ended.stdout.count("# default\n") == sum(len(model.model_fields) for model in MODELS.values())
    assert run("config", "--dir", store).stdout == ended.stdout


def test_config_says_where_each_comes_from(run, store):
    """A value of the file and one of the environment are shown with their sources; the environment wins."""
    (store / "stonelog.toml").write_text('[store]\ndurability = "os"\nsegment_bytes = 10\n[seal]\nlevel = 3\n')
    environment = {
        "STONELOG_STORE_SEGMENT_BYTES": "20",
        "STONELOG_RETENTION_MIN_AGE_DAYS": "authentication=365,security=730",
    }
    text = run("config", "show", "--dir", store, env=environment).stdout
    sources = re.findall(r"^(\w+) = .*  # (\w+|stonelog\.toml)$", text, re.MULTILINE)
    assert [pair for pair in sources if pair[1] != "default"] == [
        ("durability", "stonelog.toml"),
        ("segment_bytes", "STONELOG_STORE_SEGMENT_BYTES"),
        ("level", "stonelog.toml"),
        ("min_age_days", "STONELOG_RETENTION_MIN_AGE_DAYS"),
    ]
    document = json.loads(run("config", "-o", "json", "--dir", store, env=environment).stdout)
    assert document["store"]["durability"].pop("meaning").startswith("When `append` returns: `fsync` on stable storage")
    assert all(
        entry.pop("meaning") for section in document.values() for entry in section.values() if "meaning" in entry
    )
    assert document["store"]["durability"] == {"value": "os", "source": "stonelog.toml"}
    assert document["store"]["segment_bytes"] == {"value": 20, "source": "STONELOG_STORE_SEGMENT_BYTES"}
    assert document["seal"]["level"] == {"value": 3, "source": "stonelog.toml"}
    assert document["retention"]["min_age_days"] == {
        "value": {"authentication": 365, "security": 730},
        "source": "STONELOG_RETENTION_MIN_AGE_DAYS",
    }
    (store / "stonelog.toml").write_text(text)
    again = json.loads(run("config", "-o", "json", "--dir", store).stdout)
    values = {name: {key: entry["value"] for key, entry in section.items()} for name, section in document.items()}
    assert {name: {key: entry["value"] for key, entry in each.items()} for name, each in again.items()} == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[seal]\ncodec = 'lzma'\n", "[seal] codec = lzma"),
        ("[retention]\nmax_age = 1\n", "[retention] max_age = 1: there is no such setting"),
        ("[jobs]\nseal = 5\n", "[jobs] seal = 5"),
        (
            "[job]\nseal = 'off'\n",
            "[job]: there is no such table; known are [store], [seal], [retention], ",
        ),
        ("[store\n", "cannot be read as TOML"),
    ],
)
def test_a_setting_that_cannot_be_is_named(run, store, text, words):
    """A bad value in the file is one line that names the file, the section and the key."""
    (store / "stonelog.toml").write_text(text)
    ended = run("config", "show", "--dir", store)
    assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert words in ended.stderr
    assert "stonelog.toml" in ended.stderr
