"""Rules from TOML: what is accepted, what is refused and in which words, which rules are in force."""

from pathlib import Path

import pytest

from stonelog.indexer.detect import FORMS, DetectSettings, InvalidRule, load_rules, read_rules, shipped_rules

HEAD = '[[rule]]\nid = "mine"\ntitle = "Mine"\n'
COUNT = HEAD + 'form = "count"\nat_least = 3\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (COUNT + "at_leest = 4\n", ["rule mine: at_leest: form count has no such key", "did you mean at_least?"]),
        (COUNT + 'query = "usrname:ada"\n', ["rule mine: query = usrname:ada", "there is no field", "username"]),
        (COUNT + 'query = "("\n', ["rule mine: query"]),
        (COUNT + 'window = "5 minutes"\n', ["rule mine: window = 5 minutes", "30s, 5m, 1h or 7d"]),
        (COUNT + "window = 300\n", ["rule mine: window = 300", "30s, 5m, 1h or 7d"]),
        (COUNT + 'severity = "urgent"\n', ["rule mine: severity = urgent", "'low', 'medium', 'high' or 'critical'"]),
        (COUNT + 'by = ["user"]\n', ["rule mine: by.0 = user", "did you mean username?"]),
        (COUNT + 'by = ["tags"]\n', ["rule mine: by.0 = tags", "not one value"]),
        (HEAD + 'form = "count"\n', ["rule mine: at_least: form count needs it"]),
        (HEAD + 'form = "cuont"\n', ["rule mine: form: cuont is none", "did you mean count?"]),
        (HEAD, ["rule mine: form: there is none"]),
        ('[[rule]]\nform = "match"\ntitle = "T"\n', ["rule 1: id: form match needs it"]),
        ('[[rule]]\nid = "a b"\nform = "match"\ntitle = "T"\n', ["rule a b: id = a b"]),
        (COUNT + COUNT, ["rule mine: id: it stands there twice"]),
        (HEAD + 'form = "sequence"\nsteps = [{ query = "a", least = 1 }, { query = "b" }]\n', ["steps.0.least"]),
        ("rule = 7\n", ["rule: expected tables [[rule]]"]),
        ("[rules]\n", ["rules: only tables [[rule]] may stand here"]),
        ("[[rule]\n", ["cannot be read as TOML"]),
    ],
)
def test_what_is_wrong_is_named_by_file_rule_and_key(text, words):
    """The message says where it stands, what was found, and what may stand there."""
    with pytest.raises(InvalidRule) as caught:
        read_rules(text, "own.toml")
    for word in ["own.toml", *words]:
        assert word in str(caught.value)


def test_the_shipped_rules_can_be_read():
    """Each has an id of its own and a form that is there; all the forms that need no setting are used."""
    rules = [each.rule for each in shipped_rules()]
    assert len({rule.id for rule in rules}) == len(rules) >= 20
    assert {rule.form for rule in rules} == FORMS.keys()
    assert all(rule.enabled for rule in rules)


def test_own_rules_are_added_and_replace(tmp_path):
    """DIR/rules/*.toml and the files of the settings are read; the id of a shipped rule takes its place."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.toml").write_text(COUNT)
    (tmp_path / "more.toml").write_text(COUNT.replace("mine", "mass-deletion"))
    loaded = load_rules(tmp_path, DetectSettings(rules_files=("more.toml",)))
    known = {each.rule.id: each for each in loaded.rules}
    assert len(known) == len(shipped_rules()) + 1
    assert known["mine"].origin.endswith("a.toml")
    assert known["mass-deletion"].rule.title == "Mine"


def test_settings_switch_rules_off(tmp_path):
    """`defaults = false` leaves the shipped ones out, `disabled` single ones; an id that is not there is an error."""
    assert load_rules(tmp_path, DetectSettings(defaults=False)).rules == ()
    loaded = load_rules(tmp_path, DetectSettings(disabled=("scanner",)))
    assert "scanner" not in [each.rule.id for each in loaded.enabled()]
    assert [each.rule.id for each in loaded.enabled(["scanner"])] == ["scanner"]
    with pytest.raises(InvalidRule, match="no rule scaner; did you mean scanner"):
        load_rules(tmp_path, DetectSettings(disabled=("scaner",)))
    with pytest.raises(InvalidRule, match="did you mean scanner"):
        loaded.enabled(["scaner"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The path stands in the message."""
    with pytest.raises(InvalidRule, match=r"none\.toml: cannot be read"):
        load_rules(tmp_path, DetectSettings(rules_files=("none.toml",)))


def test_a_misspelt_key_is_named_before_the_one_that_is_missing_for_it(tmp_path: Path) -> None:
    """`titel` is told, with what was meant, and not that there is no title."""
    file = tmp_path / "own.toml"
    file.write_text('[[rule]]\nid = "x"\ntitel = "X"\nform = "count"\nquery = "level:info"\nby = ["username"]\n')
    with pytest.raises(InvalidRule, match=r"rule x: titel: .*did you mean title\?"):
        load_rules(tmp_path, DetectSettings(rules_files=[str(file)]))
