"""Secrets by their shape."""

import pytest

from stonelog.filestore.redaction import RedactionSettings, Redactor
from stonelog.filestore.redaction_patterns import KINDS, long_run, tokens

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0z" * 8
HEX = "0123456789abcdef" * 8
CAPITALS = "A1B2C3D4E5F6G7H8" * 5

# Put together here, so that nobody who scans the repository for secrets finds any.
SAMPLES = {
    "age": "AGE-SECRET-KEY-" + "1" + CAPITALS[:58],
    "anthropic": "sk-ant-" + "api03-" + LETTERS[:95],
    "artifactory": "AKC" + LETTERS[:70],
    "atlassian": "ATATT" + "3" + LETTERS[:180],
    "aws_bedrock": "ABSK" + LETTERS[:110] + "=",
    "aws_key_id": "AKIA" + CAPITALS[:16],
    "azure": "abc8" + "Q~" + LETTERS[:34],
    "bitbucket": "ATBB" + LETTERS[:32],
    "brevo": "xkeysib-" + HEX[:64] + "-" + LETTERS[:16],
    "cloudflare": "cfat_" + LETTERS[:40] + HEX[:8],
    "databricks": "dapi" + HEX[:32] + "-2",
    "digitalocean": "dop_v1_" + HEX[:64],
    "discord": "M" + LETTERS[:23] + "." + LETTERS[:6] + "." + LETTERS[:27],
    "docker": "dckr_pat_" + LETTERS[:27],
    "doppler": "dp.pt." + LETTERS[:43],
    "figma": "figd_" + LETTERS[:50],
    "github": "github_pat_" + LETTERS[:82],
    "gitlab": "glpat-" + LETTERS[:20],
    "google": "AIza" + LETTERS[:35],
    "grafana": "glsa_" + LETTERS[:32] + "_" + HEX[:8],
    "groq": "gsk_" + LETTERS[:52],
    "heroku": "HRKU-" + LETTERS[:60],
    "huggingface": "hf_" + "abcdeFGHIJ" * 3 + "abcd",
    "jwt": "eyJ" + LETTERS[:30] + ".eyJ" + LETTERS[:30] + "." + LETTERS[:40],
    "linear": "lin_api_" + LETTERS[:40],
    "mailchimp": HEX[:32] + "-us12",
    "mailgun": "key-" + HEX[:32],
    "netlify": "nfp_" + LETTERS[:36],
    "newrelic": "NRAK-" + CAPITALS[:27],
    "notion": "ntn_" + "12345678901" + LETTERS[:35],
    "npm": "npm_" + LETTERS[:36],
    "nuget": "oy2" + "abc123" * 7 + "d",
    "onepassword": "ops_eyJ" + LETTERS[:200],
    "openai": "sk-proj-" + LETTERS[:60] + "T3BlbkFJ" + LETTERS[:60],
    "openrouter": "sk-or-v1-" + HEX[:64],
    "perplexity": "pplx-" + LETTERS[:48],
    "planetscale": "pscale_tkn_" + LETTERS[:43],
    "postman": "PMAK-" + HEX[:24] + "-" + HEX[:34],
    "private_key": "LS0tLS1CRUdJTi" + "BSU0Eg" + LETTERS[:80],
    "pulumi": "pul-" + HEX[:40],
    "pypi": "pypi-" + LETTERS[:150],
    "replicate": "r8_" + LETTERS[:37],
    "rubygems": "rubygems_" + HEX[:48],
    "sendgrid": "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "sentry": "sntrys_" + LETTERS[:100],
    "shopify": "shpat_" + HEX[:32],
    "slack": "xoxb-" + "1234567890-1234567890-" + LETTERS[:24],
    "square": "sq0atp-" + LETTERS[:22],
    "stripe": "sk_live_" + LETTERS[:24],
    "supabase": "sbp_" + HEX[:40],
    "tailscale": "tskey-auth-" + LETTERS[:12] + "-" + LETTERS[:32],
    "telegram": "123456789:" + "AA" + LETTERS[:33],
    "terraform": LETTERS[:14] + ".atlasv1." + LETTERS[:67],
    "twilio": "SK" + HEX[:32],
    "typeform": "tfp_" + LETTERS[:59],
    "vault": "hvs." + LETTERS[:95],
    "vercel": "vcp_" + LETTERS[:40],
    "xai": "xai-" + LETTERS[:80],
}
PEM = "\n".join(("-----BEGIN RSA PRIVATE KEY-----", LETTERS[:64], LETTERS[:40] + "==", "-----END RSA PRIVATE KEY-----"))


def test_there_is_a_sample_of_each_kind() -> None:
    """No shape is untried."""
    assert set(SAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "form", ["{}", "see {} there", '"{}"', "x={}&y", "https://h/p?t={}&q", r"a\n{}\n", "%22%3A{}%22"]
)
def test_a_token_is_found_wherever_it_stands(kind: str, form: str) -> None:
    """Alone, in quotes, in URLs, after JSON's escapes; all of it goes, and it opens the gate."""
    text = form.format(SAMPLES[kind])
    assert long_run(text)
    [(start, end, found)] = list(tokens(text))
    assert (found, text[start:end]) == (kind, SAMPLES[kind])


@pytest.mark.parametrize("kind", SAMPLES)
def test_half_a_token_or_one_inside_a_word_is_none(kind: str) -> None:
    """A beginning alone, and letters before it, make it something else."""
    half = SAMPLES[kind][: min(len(SAMPLES[kind]) // 2, 12)]
    assert list(tokens(f"see {half} there")) == []
    if kind not in ("azure", "terraform", "mailchimp", "telegram"):
        assert list(tokens(f"word{SAMPLES[kind]}")) == []


def test_webhooks() -> None:
    """Of an address that is a secret the host stays."""
    text = Redactor(RedactionSettings()).text
    assert (
        text("https://hooks.slack.com/services/TXXXXX/BXXXXX/XXXXXXXXXX")
        == "https://hooks.slack.com/services/[redacted:slack]"
    )
    address = "https://discord.com/api/webhooks/"
    assert text(f"{address}123456789012345678/{LETTERS[:68]}") == f"{address}[redacted:discord]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"a {PEM} b", "a [redacted:private_key] b"),
        ("a " + PEM.replace("\n", r"\n") + r"\n b", r"a [redacted:private_key]\n b"),
        (PEM[:100] + ": cut!", "[redacted:private_key]!"),
        (f"{PEM}\n{PEM}", "[redacted:private_key]\n[redacted:private_key]"),
        (PEM.replace("RSA PRIVATE", "PUBLIC"), None),
        ("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", None),
        ("expected -----BEGIN PRIVATE KEY----- at the start", None),
    ],
)
def test_private_keys(text: str, left: str | None) -> None:
    """A key in PEM form goes as a whole, on lines or not, and when it is cut off; public ones and examples stay."""
    assert Redactor(RedactionSettings()).text(text) == (text if left is None else left)


@pytest.mark.parametrize(
    "text",
    [
        "203db13e-70c7-462b-9a3d-bf32640cb0be",
        "0af7651916cd43dd8448eb211c80319c",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "AKIAsomethingelse in a sentence that is long",
        "pk_live_" + LETTERS[:24],
        "sk-" + LETTERS[:60],
        "eyJhbGciOiJIUzI1NiJ9",
        "user-profile-settings_dialog.component",
    ],
)
def test_identifiers_are_no_tokens(text: str) -> None:
    """Hashes, UUIDs, public keys and long words stay."""
    assert Redactor(RedactionSettings()).text(text) == text
