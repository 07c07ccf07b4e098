"""Redaction of secrets that scanners' projects publish for their tests, of labelled personal data, and of real logs.

`python -m pytest tests/acceptance/test_redaction.py -rP` prints the tables.
"""

import gzip
import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from stonelog.filestore.redaction import RedactionSettings, Redactor

Shared = Callable[[str], Path]

UNSUPPORTED = {
    "example": "a rule that shows how rules are written",
    "filter-comments": "a rule that shows how findings are suppressed",
    "no-dotenv": "that there is such a file at all",
    "no-homedir": "names of home directories",
    "secp256k1-privatekey": "64 hexadecimal digits, which is every SHA-256",
}
"""Rules of secretlint whose findings are no secrets, or cannot be told from what is none."""
IDENTIFIERS = {"AWSAccountID", "AzureTenantId", "AzureClientId"}
"""Findings that name an account, and open none."""
SAME_AS_A_SECRET = ("allows", "enableIDScanRule-false")
"""Cases whose text is that of a finding, with an option that lets it pass."""

KEYWORDS = [
    ("config.ini", "password = "),
    ("config.ini", "aws_secret_key = "),
    ("config.yaml", "        value: "),
    ("config.yaml", "test_agent::allowlisted_api_key: "),
    ("config.yaml", "low_entropy_binary_secret: "),
    ("config2.yaml", "high_entropy_hex_binary_secret: "),
    ("each_secret.py", "base64_secret = "),
    ("each_secret.py", "hex_secret = "),
    ("each_secret.py", "basic_auth = "),
    ("each_secret.py", "aws_access_key = "),
    ("each_secret.py", "aws_secret_access_key = "),
    ("first_line.php", "secret = "),
    ("files/private_key", "-----BEGIN"),
    ("tmp/file_with_secrets.py", "SUPER_SECRET_VALUES = "),
]
"""Lines of the test data of detect-secrets with what is secret by its name or its shape; the rest are strings of high
entropy under names that say nothing."""

PERSONAL = {
    "CREDIT_CARD": "card",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "US_SSN": "ssn",
    "PHONE_NUMBER": "phone",
}

TRUE_SECRETS = (*("Debugger PIN: ", "creditCard", 'Add("Cookie"', "net user ", "net1 user ", "&signature="),)
"""What is rightly taken out of the ordinary logs: PINs of debuggers, a card, a cookie, passwords in command lines, the
signature of a URL."""


def secretlint(shared: Shared) -> list[dict[str, Any]]:
    return list(map(json.loads, shared("secrets/secretlint_cases.jsonl").read_text(encoding="utf-8").splitlines()))


def secrets_by_rule(shared: Shared) -> tuple[Counter[str], Counter[str]]:
    """By rule, how many of the findings of a supported kind there are, and of how many all that is secret goes."""
    redactor, there, gone = Redactor(RedactionSettings()), Counter[str](), Counter[str]()
    for case in secretlint(shared):
        rule = case["rule"].removeprefix("secretlint-rule-")
        if rule in UNSUPPORTED or not case["findings"]:
            continue
        text = case["text"]
        found = [text[slice(*one["range"])] for one in case["findings"] if one["messageId"] not in IDENTIFIERS]
        changed = redactor.text(text)
        there[rule] += len(found)
        gone[rule] += sum(min(count, text.count(one) - changed.count(one)) for one, count in Counter(found).items())
        assert not any(survives(one, text, changed) for one in found), case["case"]
    for name, line in KEYWORDS:
        there["detect-secrets"] += 1
        gone["detect-secrets"] += line in _changed_lines(shared, redactor, name)
    return there, gone


def survives(secret: str, text: str, changed: str) -> bool:
    """Whether a part of a token, long enough to be of use and nowhere else in the text, is left of it."""
    if secret in changed or re.fullmatch(r"[A-Za-z0-9_.-]{20,}", secret) is None:
        return False
    parts = (secret[at : at + 12] for at in range(len(secret) - 12))
    return any(part in changed and text.count(part) == 1 for part in parts)


def _changed_lines(shared: Shared, redactor: Redactor, name: str) -> str:
    """What stands before the first mark on each line of a file that redaction changes."""
    with tarfile.open(shared("secrets/detect_secrets_test_data.tar.gz")) as tar:
        member = next(member for member in tar if member.name.endswith(name))
        file = tar.extractfile(member)
        assert file is not None
        text = file.read().decode()
    if text.startswith("-----BEGIN"):
        return "-----BEGIN" if redactor.text(text).startswith("[redacted:private_key]") else ""
    return "\n".join(line for line in redactor.text(text).splitlines() if "[redacted:" in line)


def personal_by_kind(shared: Shared) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By kind, how many there are, how many go, and how much else is taken for one."""
    redactor = Redactor(RedactionSettings(emails=True, phones=True, ibans=True, ssns=True))
    there, gone, wrong = Counter[str](), Counter[str](), Counter[str]()
    for size in ("large", "small"):
        for case in map(json.loads, lines(shared(f"pii/presidio_generated_{size}.jsonl.gz"))):
            labelled = [span for span in case["spans"] if span["entity_type"] in PERSONAL]
            changed = redactor.text(case["full_text"])
            for span in labelled:
                kind = PERSONAL[span["entity_type"]]
                there[kind] += 1
                gone[kind] += span["entity_value"] not in changed
            for kind in PERSONAL.values():
                labels = sum(PERSONAL[span["entity_type"]] == kind for span in labelled)
                wrong[kind] += max(0, changed.count(f"[redacted:{kind}]") - labels)
    return there, gone, wrong


def lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\n") for line in file)


def members(path: Path) -> Iterator[str]:
    with tarfile.open(path) as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                yield from file.read().decode("utf-8", "replace").splitlines()


def ordinary_logs(shared: Shared) -> Iterator[tuple[str, Iterable[Any]]]:
    """Real logs by name: lines as texts, objects as metadata. Of the long ones the beginning, for the time it takes."""
    yield "access", lines(shared("access/apache_combined.log.gz"))
    yield "auth", lines(shared("auth/auth_aws_host.log.gz"))
    yield "zoo", members(shared("zoo/lnav_logfiles.tar.gz"))
    yield "auditd", members(shared("auditd/go_libaudit.tar.gz"))
    yield "applog", lines(shared("applog/kafka_controller.log.gz"))
    yield "unicode", lines(shared("unicode/udhr_16_languages.jsonl.gz"))
    for name in (
        "zeek/apt29_day1",
        "suricata/honeypot-2018",
        "suricata/first-org-conf-2015",
        "metrics/nginxplus_status",
    ):
        yield name, map(json.loads, islice(lines(shared(f"{name}.jsonl.gz")), 1000))
    for name in ("aptsimulator_cobaltstrike", "launcher_vbs", "log4shell_sysmon", "wmic_add_user_backdoor"):
        yield f"windows/{name}", map(json.loads, islice(lines(shared(f"windows/{name}.jsonl.gz")), 1500))


def touched(redactor: Redactor, given: Any) -> str:
    """What redaction wrote in place of what stood there, with what is around it; empty if it left all as it was."""
    if isinstance(given, str):
        changed = redactor.text(given)
        return "" if changed is given else changed
    fields = {"category": "api", "metadata": given}
    changed_fields = redactor(fields)
    return "" if changed_fields is fields else json.dumps(changed_fields, ensure_ascii=False).replace('\\"', '"')


def hits_by_log(shared: Shared) -> list[tuple[str, int, int, list[str]]]:
    """By log, how many lines it has, how many are rightly touched, and what became of those touched wrongly."""
    redactor, rows = Redactor(RedactionSettings()), []
    for name, entries in ordinary_logs(shared):
        count, right, wrong = 0, 0, []
        for entry in entries:
            count += 1
            if changed := touched(redactor, entry):
                if any(secret in changed for secret in TRUE_SECRETS):
                    right += 1
                else:
                    wrong.append(changed)
        rows.append((name, count, right, wrong))
    return rows


def test_secrets_of_scanners_go(shared: Shared) -> None:
    """At least 95 of 100 samples of supported kinds are taken out, in each rule more than half."""
    there, gone = secrets_by_rule(shared)
    print("\n| samples | secrets | taken out |\n|---|--:|--:|")
    for rule in sorted(there):
        print(f"| {rule} | {there[rule]} | {gone[rule]} |")
    print(f"| all | {there.total()} | {gone.total()}, {gone.total() / there.total():.1%} |")
    assert gone.total() >= 0.95 * there.total()
    assert all(2 * gone[rule] > there[rule] for rule in there)


def test_look_alikes_of_scanners_stay(shared: Shared) -> None:
    """What their projects say is no token is not taken for one by its shape."""
    redactor = Redactor(RedactionSettings())
    by_name = (
        "[redacted:url_password]",
        "[redacted:credential]",
        "[redacted:password]",
        "[redacted:token]",
        "[redacted:private_key]",
    )
    for case in secretlint(shared):
        if case["findings"] or case["case"].endswith(SAME_AS_A_SECRET):
            continue
        changed = redactor.text(case["text"])
        for mark in (*by_name, "[redacted:access_key]"):  # what stands where a secret is named may be one
            changed = changed.replace(mark, "")
        assert "[redacted:" not in changed, case["case"]


def test_no_listed_secret_is_in_what_is_left(shared: Shared) -> None:
    """Nor does any sample survive in a field of an event: in the message, in metadata, in a list."""
    redactor = Redactor(RedactionSettings())
    for case in secretlint(shared):
        text = case["text"]
        event = redactor({"category": "api", "message": text, "metadata": {"a": [text], "b": {"c": text}}})
        left = redactor.text(text)
        assert event["message"] == event["metadata"]["a"][0] == event["metadata"]["b"]["c"] == left


def test_labelled_personal_data_goes(shared: Shared) -> None:
    """Cards, addresses, IBANs and social security numbers all go, telephone numbers of four in five forms."""
    there, gone, wrong = personal_by_kind(shared)
    print("\n| kind | labelled | taken out | and wrongly, in 2,209 sentences |\n|---|--:|--:|--:|")
    for kind in there:
        print(f"| {kind} | {there[kind]} | {gone[kind]}, {gone[kind] / there[kind]:.1%} | {wrong[kind]} |")
    assert all(gone[kind] >= (0.8 if kind == "phone" else 0.99) * there[kind] for kind in there)
    assert wrong.total() <= 22


def test_ordinary_logs_stay_as_they_are(shared: Shared) -> None:
    """Of a thousand ordinary lines at most one is touched that holds no secret."""
    rows = hits_by_log(shared)
    print("\n| log | lines | with a secret | touched wrongly |\n|---|--:|--:|--:|")
    for name, count, right, wrong in rows:
        print(f"| {name} | {count:,} | {right} | {len(wrong)} |")
    total, errors = sum(count for _, count, _, _ in rows), [one for *_, wrong in rows for one in wrong]
    print(f"| all | {total:,} | {sum(right for _, _, right, _ in rows)} | {len(errors)}, {len(errors) / total:.3%} |")
    assert len(errors) * 1000 <= total, "\n".join(one[:500] for one in errors)
