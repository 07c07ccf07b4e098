"""Real logs through the whole chain: ingested, indexed, asked. The answers are those of independent tools."""

import json

import pytest

FAILED = (
    r"sshd\[[0-9]+\]: (message repeated [0-9]+ times: \[ )?"
    r"(Failed [a-z/-]+ for |Invalid user |User .* not allowed because |(error: )?maximum authentication attempts"
    r"|Disconnecting.*Too many authentication failures)"
    r"|pam_unix\([a-z]+:auth\): authentication failure|PAM [0-9]+ more authentication failure"
    r"|sudo: .* [0-9]+ incorrect password attempt"
)


def last_line(text):
    return json.loads(text.splitlines()[-1])


def test_an_access_log(stonelog, quick, shared, shell):
    """Counts by status, the top path and the top address are those of `zcat | awk`, by index, tail and scan."""
    log = shared("access/apache_combined.log.gz")
    done = stonelog("ingest", "--format", "combined", log)
    assert (done.code, done.err) == (0, "")
    assert {key: last_line(done.out)[key] for key in ("read", "appended", "rejected")} == {
        "read": 10_000,
        "appended": 10_000,
        "rejected": 0,
    }
    expected = {}
    for field, column in (("status_code", 9), ("path", 7), ("ip_address", 1)):
        pipeline = f'zcat "$1" | awk \'{{ n[${column}]++ }} END {{ for (v in n) print n[v] "\\t" v }}\' | sort -rn'
        rows = [line.split("\t") for line in shell(pipeline, log).splitlines()]
        expected[field] = [(value, int(count)) for count, value in rows]
    assert sum(count for _, count in expected["status_code"]) == 10_000

    def top(*more):
        shown = quick("facets", *expected, "-n", "8", "-o", "json", *more)
        assert shown.exit_code == 0, shown.stderr
        facets = json.loads(shown.stdout)["facets"]
        return {field: [(str(row["value"]), row["count"]) for row in facets[field]] for field in facets}

    unindexed = top()
    assert stonelog("reindex").code == 0
    assert top() == unindexed == top("--scan")
    assert sorted(unindexed["status_code"]) == sorted(expected["status_code"])
    assert unindexed["path"][0] == expected["path"][0]
    assert unindexed["ip_address"][0] == expected["ip_address"][0]
    value, count = expected["status_code"][1]
    assert stonelog("count", f"status_code:{value}").out == f"{count}\n"
    path, count = expected["path"][0]
    assert quick("count", f"path:{path}").stdout == f"{count}\n"
    bots = shell('zgrep -c -w -i googlebot "$1"', log)
    assert quick("count", "googlebot").stdout == bots == quick("count", "googlebot", "--scan").stdout


def test_an_authentication_log(stonelog, quick, shared, shell):
    """The number of failed authentications is that of an independent `zgrep -c`."""
    log = shared("auth/auth_aws_host.log.gz")
    done = stonelog("ingest", "--format", "auth", log)
    assert (done.code, last_line(done.out)["rejected"]) == (0, 0)
    assert last_line(done.out)["read"] == last_line(done.out)["appended"] == int(shell('zcat "$1" | wc -l', log))
    expected = shell(f"zgrep -c -E '{FAILED}' \"$1\"", log)
    assert int(expected) > 1000
    question = "category:authentication outcome:failure"
    assert stonelog("count", question).out == expected
    assert quick("reindex").exit_code == 0
    assert quick("count", question).stdout == expected == quick("count", question, "--scan").stdout
    for words, fixed in (("failed password", "Failed password"), ("accepted publickey", "Accepted publickey")):
        assert quick("count", f'"{words}"').stdout == shell(f"zgrep -c -i -w '{fixed}' \"$1\"", log)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("cloudtrail", ["cloudtrail/stratus_even.jsonl.gz", "cloudtrail/ec2_proxy_s3.jsonl.gz"]),
        ("suricata", ["suricata/first-org-conf-2015.jsonl.gz", "suricata/honeypot-2018.jsonl.gz"]),
    ],
)
def test_none_is_rejected(stonelog, quick, shared, shell, tmp_path, kind, names):
    """All samples go in, none to quarantine, and come out again as often as they went in."""
    logs = [shared(name) for name in names]
    lines = sum(int(shell('zcat "$1" | grep -c .', log)) for log in logs)
    done = stonelog("ingest", "--format", kind, *logs)
    assert (done.code, done.err) == (0, "")
    result = last_line(done.out)
    assert (result["read"], result["appended"], result["rejected"]) == (lines, lines, 0)
    assert not (tmp_path / "store/quarantine").exists() or not list((tmp_path / "store/quarantine").iterdir())
    assert quick("reindex").exit_code == 0
    assert quick("count").stdout == f"{lines}\n" == quick("count", "--scan").stdout
    assert len(quick("cat").stdout.splitlines()) == lines


def test_known_figures_of_the_samples(stonelog, quick, shared):
    """What SOURCE's figures say of the events is found by a query."""
    assert stonelog("ingest", "--format", "cloudtrail", shared("cloudtrail/stratus_even.jsonl.gz")).code == 0
    assert quick("reindex").exit_code == 0
    assert quick("count", "Decrypt").stdout == "72\n" == quick("count", "action:decrypt").stdout
    assert quick("count", "ThrottlingException").stdout == "28\n"
