"""Secrets in texts by what stands before them; what looks like it and is none."""

import pytest

from stonelog.filestore.redaction import RedactionSettings, Redactor

FOUND = [
    ("/login?password=x&next=/", "/login?password=[password]&next=/"),
    ("password: hunter2", "password: [password]"),
    ("PASSWORD = 'hunter 2'", "PASSWORD = '[password]'"),
    ('{"password": "x"}', '{"password": "[password]"}'),
    ('{"u":"a","password":"x y\\" z","n":1}', '{"u":"a","password":"[password]","n":1}'),
    (r"{\"password\": \"hunter2\", \"a\": 1}", r"{\"password\": \"[password]\", \"a\": 1}"),
    ('"passwords": ["a", "b"], "c": ["d"]', '"passwords": ["[password]", "[password]"], "c": ["d"]'),
    ("{'token': b'x', 'a': 1}", "{'token': b'[token]', 'a': 1}"),
    ('password="never closed and more', 'password="[password]'),
    ("secret => 'b'; token := \"c\"", "secret => '[secret]'; token := \"[token]\""),
    ("user[password]=hunter2&user[name]=ada", "user[password]=[password]&user[name]=ada"),
    ("user%5Bpassword%5D=x1&a=1", "user%5Bpassword%5D=[password]&a=1"),
    ("to=%2Flogin%3Fpassword%3Dx1%26next%3D%2F", "to=%2Flogin%3Fpassword%3D[password]%26next%3D%2F"),
    ("%7B%22token%22%3A%22x1%22%7D", "%7B%22token%22%3A%22[token]%22%7D"),
    (r"password=x1\nnext line", r"password=[password]\nnext line"),
    ("Server=x;Uid=a;Pwd=x1;Database=y", "Server=x;Uid=a;Pwd=[password];Database=y"),
    ("(host=a,user=b,password=c),(host=d)", "(host=a,user=b,password=[password]),(host=d)"),
    ("<password>hunter 2</password>", "<password>[password]</password>"),
    ("<ns:Password>x</ns:Password>", "<ns:Password>[password]</ns:Password>"),
    ('{"name":"DB_PASSWORD","value":"x"}', '{"name":"DB_PASSWORD","value":"[password]"}'),
    ('<add key="ApiKey" value="x"/>', '<add key="ApiKey" value="[api_key]"/>'),
    ("X-API-Key: 12345abc", "X-API-Key: [api_key]"),
    ("api key: 12345abc", "api key: [api_key]"),
    ("Authorization: Bearer abc123", "Authorization: Bearer [authorization]"),
    ("Authorization: Basic eDp5", "Authorization: Basic [authorization]"),
    ('authorization: Digest username="a", response="b"\nHost: x', "authorization: Digest [authorization]\nHost: x"),
    ("[(b'authorization', b'Token abc'), (b'a', 1)]", "[(b'authorization', b'Token [authorization]'), (b'a', 1)]"),
    ("sent Bearer abcdef0123456789 to", "sent Bearer [bearer] to"),
    ("sent Basic dXNlcjpwYXNz to", "sent Basic [basic] to"),
    ("Cookie: sid=abc; theme=dark\nHost: x", "Cookie: sid=[cookie]; theme=[cookie]\nHost: x"),
    (r"Cookie: sid=abc; b=c\r\nHost: x", r"Cookie: sid=[cookie]; b=[cookie]\r\nHost: x"),
    ("{'Cookie': 'a=b; c=d', 'Host': 'x'}", "{'Cookie': 'a=[cookie]; c=[cookie]', 'Host': 'x'}"),
    ("Set-Cookie: sid=abc; Secure; Path=/; Max-Age=9", "Set-Cookie: sid=[cookie]; Secure; Path=/; Max-Age=9"),
    ("/a;jsessionid=AB12?x=1", "/a;jsessionid=[session]"),
    ("https://ada:hunter2@host/x", "https://ada:[url_password]@host/x"),
    ("postgres://ada:pa@ss@host:5432/db", "postgres://ada:[url_password]@host:5432/db"),
    ("https://0123456789abcdef0123:x-oauth-basic@host", "https://[url_user]:x-oauth-basic@host"),
    ("https://x.w.net/c?sv=1&sig=abc%3D&se=1", "https://x.w.net/c?sv=1&sig=[signature]&se=1"),
    ("mysql --user=root --password=s3c --host=x", "mysql --user=root --password=[password] --host=x"),
    ("tool --api-key abc123 run", "tool --api-key [api_key] run"),
    ("net user ada Passw0rd! /add", "net user ada [password] /add"),
    ("net user /add ada pa$$w0rd1", "net user /add ada [password]"),
    ("sshpass -p hunter2 ssh x", "sshpass -p [password] ssh x"),
    ("curl -u ada:hunter2 https://x", "curl -u ada:[password] https://x"),
    ("CREATE USER ada IDENTIFIED BY 'x y'", "CREATE USER ada IDENTIFIED BY '[password]'"),
    ("ALTER ROLE ada PASSWORD 'x'", "ALTER ROLE ada PASSWORD '[password]'"),
    ("tool --password hunter2 run", "tool --password [password] run"),
    ("tool --passphrase x1 --db-password x2", "tool --passphrase [password] --db-password [password]"),
    ("tool -password x1", "tool -password [password]"),
    ("/a?password[]=x1&b=2", "/a?password[]=[password]&b=2"),
    ("/a?user[password][0]=x1&b=2", "/a?user[password][0]=[password]&b=2"),
    ("/a?pass%77ord=x1&b=2", "/a?pass%77ord=[password]&b=2"),
    ("/a?password=a)h2,b;c|d'e&b=2 x", "/a?password=[password]&b=2 x"),
    ("/a?b=1&token=a)h2#c", "/a?b=1&token=[token]#c"),
    ('{"u":"/a?password=x)1\\" y"}', '{"u":"/a?password=[password]\\" y"}'),
    ('{"password": {"value": "h2"}}', '{"password":{"value":"[password]"}}'),
    ('{"password":{"old":"x","new":"h2"}}', '{"password":{"old":"[password]","new":"[password]"}}'),
    (' [{"cookies":{"sid":"abc123xyz"}}]', '[{"cookies":{"sid":"[cookie]"}}]'),
    ('{"key":"password","value":{"stringValue":"h2"}}', '{"key":"password","value":{"stringValue":"[password]"}}'),
    ('{"value":"h2","key":"password"}', '{"value":"[password]","key":"password"}'),
    ('{"password":\n "h2"}', '{"password":"[password]"}'),
    (r'{"pass\u0077ord": "h2"}', '{"password":"[password]"}'),
    ('{"password": 12345, "n": 1}', '{"password":"[password]","n":1}'),
    ('{"a": "{\\"password\\": {\\"b\\": \\"h2\\"}}"}', '{"a":"{\\"password\\":{\\"b\\":\\"[password]\\"}}"}'),
    ('{"password": 12345} and more', '{"password": [password]} and more'),
    ('["--password", "h2"]', '["--password","[password]"]'),
    ("PIN: 1234, cvv=123", "PIN: [pin], cvv=[cvv]"),
    ("пароль: секрет", "пароль: [password]"),
    ("İ password=x1", "İ password=[password]"),
]  # fmt: skip

STAYS = [
    "monkey=1&author=2&shipping=3&keyboard=4&key=5",
    "tokens_used=100 max_tokens: 100 token_type: bearer token_count=3",
    "password_changed: true, password_length=12, passwordless: yes",
    "password=true token=null secret: none",
    "password=*** token=xxxxx secret=<hidden> pwd=[FILTERED]",
    "password=${DB_PASSWORD} token=$(cat x) secret={{ secret }} pwd=%s",
    "login(password=self.password, token=settings.api.token)",
    "$t.Password = $Password",
    "Failed password for invalid user root from 10.0.0.1 port 22 ssh2",
    "Invalid password: too short",
    "token: expired",
    "the token is valid, the password was changed, a secret to nobody",
    "pam_unix(passwd:chauthtok): password changed for ada",
    "USER=root ; PWD=/home/ada ; COMMAND=/bin/sh",
    "arn:aws:secretsmanager:eu-1:1:secret:db/pw-AbCdEf",
    "System, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089",
    "App\\VerifyCsrfToken->handle(Object(Request))",
    "Basic authentication required; Bearer token missing",
    "authorization: granted",
    "authorization: user ada may not delete",
    "cookie_consent=all; cookie: none",
    "https://example.com:8080/a@b?x=y",
    "https://host:80/path?mail=ada@example.com",
    "https://${USER}:${PASS}@host/",
    "git clone ssh://git@github.com/a/b",
    "ada@example.com wrote to +44 20 7946 0958",
    "fields: ['username', 'password', 'email']",
    "if token == nil {",
    "<p>Password</p> <input name=password>",
    "12:34:56.789 10.0.0.1:443 fe80::1%eth0 00:1b:44:11:3a:b7",
    "C:\\Windows\\System32 D:/keys/token.txt",
    "203db13e-70c7-462b-9a3d-bf32640cb0be 0af7651916cd43dd8448eb211c80319c",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "net user",
    "unexpected token: semicolon",
    "jwt: malformed",
    "otp: sent",
    "def f(token: str, password: str = '') -> None",
    '{"a": [1, {"b":  "c"}], "token": {"user": "ada"}}',
    '{"authorization": {"action": "Microsoft.Compute/x/write", "role": "Owner"}}',
    "/a?tokens=5&page=2&password=&x=(1)",
    "grep -p -token --key",
]


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(RedactionSettings())


@pytest.mark.parametrize(("text", "left"), FOUND)
def test_values_with_a_name(text: str, left: str, redactor: Redactor) -> None:
    """The value goes and all around it stays; a second time nothing more goes."""
    changed = redactor.text(text)
    assert changed.replace("[redacted:", "[") == left
    assert redactor.text(changed) == changed


@pytest.mark.parametrize("text", STAYS)
def test_look_alikes_stay(text: str, redactor: Redactor) -> None:
    """Names of other things, sentences, places for secrets and identifiers are left."""
    assert redactor.text(text) == text


def test_where_both_find_something_the_more_exact_kind_is_named(redactor: Redactor) -> None:
    """A token that has a shape is named by it, not by the key before it."""
    token = "ghp_" + "aB3" * 12
    assert redactor.text(f"token={token}") == "token=[redacted:github]"
    assert redactor.text(f'Authorization: Bearer {token}"') == 'Authorization: Bearer [redacted:github]"'


def test_a_dump_of_secrets_is_cut(redactor: Redactor) -> None:
    """After two hundred the rest of a text goes as one, so that marks cannot make an event too long."""
    changed = redactor.text("password=abc " * 3000)
    assert changed.count("[redacted:password]") == 200 and changed.endswith("[redacted:rest]")
    assert "abc" not in changed and redactor.text(changed) == changed
