"""Which keys name secrets."""

import pytest

from stonelog.filestore.redaction_keys import KeyNames, words

SECRET = """
    password passwd pwd userPassword user_password PASSWORD Password2 new_password password_confirmation password_hash
    PGPASSWORD mysqlPwd db_pass passphrase secret client_secret clientSecret secretValue api_key apiKey APIKey X-API-Key
    apikey token access_token accessToken refresh_token id_token auth_token csrfmiddlewaretoken X-Auth-Token
    aws_session_token authorization Authorization Proxy-Authorization Cookie Set-Cookie cookies private_key privateKey
    ssh_key AccountKey AWS_SECRET_ACCESS_KEY secret_key_base pin PIN cvv cvc2 cvv2 ssn social_security_number otp totp
    card_number creditCardNumber phpsessid JSESSIONID recovery_codes x-amz-signature contraseña пароль 密码 mot_de_passe
    spring.datasource.password user[password]
"""
INNOCENT = """
    monkey author authority authorized shipping keyboard key keys
    public_key primary_key foreign_key key_id tokens_used
    token_type token_count token_expires_at password_changed passwordless password_length password_policy
    passwordResetRequired secretary secretariat secretsmanager secret_id secretArn cookie_consent cookie_policy
    PublicKeyToken nextToken page_token private_key_id pinned spinning opinion shopping passenger passport
    bypass compass
    encompass session_id request_id trace_id span_id id device_id username user auth auth_method chpasswd pwdLastSet
    postcode status_code country_code order_number signature design assigned otpauth
"""


@pytest.mark.parametrize("key", SECRET.split())
def test_names_of_secrets(key: str) -> None:
    """A key whose last words name a secret does, in every way of joining words."""
    assert KeyNames().named(key) is not None


@pytest.mark.parametrize("key", INNOCENT.split())
def test_names_that_look_like_it(key: str) -> None:
    """Part of a word is none, nor is what tells something of a secret."""
    assert KeyNames().named(key) is None


def test_keys_with_slashes() -> None:
    """A path's last part is no name of a value, another key's is."""
    named = KeyNames().named
    assert named("db/password") and named("prod/db/password")
    assert not any(
        map(named, ("/etc/passwd", "etc/passwd", "../../passwd", "a/etc/passwd", "GET /token", "x://a/token"))
    )


def test_what_is_no_text_names_nothing() -> None:
    """A number as a key is none."""
    assert KeyNames().named(7) is None and KeyNames().named(None) is None


def test_words_of_a_key() -> None:
    """Dashes, dots, capitals and digits part words."""
    assert words("X-API-Key") == words("xAPIKey") == words("x.api_key") == ["x", "api", "key"]
    assert words("userPassword2") == ["user", "password", "2"]


def test_counts_are_no_secrets() -> None:
    """Of a plural a number is a count; of a singular it is the secret."""
    names = KeyNames()
    assert [bool(named and named.numbers) for named in map(names.named, ("pin", "token", "tokens", "max_tokens"))] == [
        *(True, True),
        *(False, False),
    ]


def test_settings_add_and_take_away() -> None:
    """Further keys and allowed ones are compared word by word, at the end of a key."""
    names = KeyNames(["employee no"], ["csrf_token"])
    assert names.named("employeeNo") and names.named("our-employee-no")
    assert names.named("X-CSRF-Token") is None and names.named("token") is not None


def test_very_many_keys_are_not_all_remembered() -> None:
    """A program that makes up keys does not fill the memory."""
    names = KeyNames()
    for count in range(10_000):
        names.named(f"key{count}")
    assert len(names._known) <= 4096
