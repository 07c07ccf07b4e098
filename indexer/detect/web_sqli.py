"""SQL injection: the text is cut into SQL's tokens, and the row of their kinds, a letter each, is what is judged.

It is read three times, as it would stand in a statement: after a number, inside '...' and inside "...".
"""

from __future__ import annotations

import re
from typing import Final

from .web_decode import View
from .web_features import Sign, reaches, sign, words

__all__ = ["fingerprint", "shows_sqli"]

_TOKENS: Final = 400
"""So many tokens are read: statements are found by their beginning, or by a function's name alone."""

# The letters: n number, s string, v variable or constant, w other word, f call of an unknown function, G of a known
# one, F of one that attacks use, T a system table, o comparison, i in/is/between, p ||, a arithmetic, & and/or/where,
# U union, E select, C case, R from, I into, B order by, M limit, D another statement, A as, c comment that ends the
# text, k longer comment, x anything else, and , and ; for themselves. Parentheses, not, all and distinct are left out.
_KINDS: Final = {
    **dict.fromkeys(("and", "or", "xor", "where", "having", "when", "on"), "&"),
    **dict.fromkeys(("like", "rlike", "regexp", "glob", "ilike"), "o"),
    **dict.fromkeys(("in", "is", "between"), "i"),
    **dict.fromkeys(("div", "mod"), "a"),
    **dict.fromkeys(("union", "intersect", "minus"), "U"),
    **dict.fromkeys(("null", "true", "false", "current_user", "session_user", "sysdate", "default"), "v"),
    **dict.fromkeys(("not", "all", "distinct", "binary", "sounds"), ""),
    **dict.fromkeys(("insert", "update", "delete", "drop", "create", "alter", "truncate", "exec", "execute"), "D"),
    **dict.fromkeys(("declare", "call", "merge", "replace", "begin", "shutdown", "waitfor", "grant", "revoke"), "D"),
    **dict.fromkeys(("handler", "rename", "load", "set"), "D"),
    **dict(zip(("select", "case", "from", "into", "limit", "as"), "ECRIMA", strict=True)),
}
_ATTACKS: Final = words(
    "sleep benchmark pg_sleep extractvalue updatexml load_file randomblob make_set elt generate_series xmltype "
    "regexp_substring crypt_key sqlid_to_sqlhash receive_message get_host_address sys_eval sys_exec analyse "
    "lo_import lo_export pg_read_file pg_ls_dir row_count st_latfromgeohash gtid_subset json_keys name_const "
    "ctxsys.drithsx.sn dbms_utility.sqlid_to_sqlhash dbms_pipe.receive_message dbms_lock.sleep user_lock.sleep "
    "utl_inaddr.get_host_address utl_http.request xp_cmdshell dbms_ldap.init"
)
_KNOWN: Final = words(
    "char chr nchar ascii ord hex unhex concat concat_ws group_concat count cast convert if ifnull iif nullif "
    "substring substr mid left right length len char_length lower upper md5 sha1 floor rand round exp row user "
    "database schema version current_user system_user session_user now sysdate coalesce isnull instr position "
    "locate strcmp greatest least min max sum avg like abs mod pow power repeat replace reverse quote bin conv "
    "values typeof sqlite_version last_insert_id connection_id decode encode nvl to_char xmlelement"
)
_TABLES: Final = re.compile(
    r"(?:information_schema|sysobjects|syscolumns|sysusers|sysdatabases|pg_catalog|pg_shadow|pg_user|sqlite_master|"
    r"mysql\.|master\.|msysaccessobjects|all_users|all_tables|user_tables|sysibm\.|rdb\$|domain\.|dual\b|sys\.|dba_)"
)

_TOKEN: Final = re.compile(
    r"""(?P<s>'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'?+|"[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+"?+)"""
    r"|(?P<c>(?:--|\#|/\*)[^\n]*+)"
    r"|(?P<n>0x[0-9a-f]++(?!\w)|[0-9]++(?:\.[0-9]*+)?+(?:e[0-9]++)?+(?!\w))"
    r"|(?P<B>(?:order|group)[ \n]by\b)"
    r"|(?P<w>@{0,2}\w[\w$.@]*+)(?P<call>[ ]?\()?+"
    r"|(?P<o><=>|[<>!=]=|<>|[=<>])"
    r"|(?P<p>\|\|)|(?P<et>&&)"
    r"|(?P<a>[-+*/%^|&])"
    r"|(?P<mark>[,;])"
    r"|(?P<x>[^\s()`~!])",
    re.DOTALL,
)
_BLANK: Final = re.compile(r"(?:\s[;)\s]*+\w{0,8})?$")
_SHORT: Final = re.compile(r"[;)\s]*+\w{0,8}$")
_SIGN: Final = re.compile(r"(?<![nsvwfFGa])a++(?=[nvwfFGsE])")
_LIST: Final = re.compile(r"([nv]),(?=[nv])")


def fingerprint(text: str) -> str:
    """The kinds of the text's tokens in their order, at most some 400."""
    kinds: list[str] = []
    for match in _TOKEN.finditer(text):
        kinds.append(_kind(match, text))
        if len(kinds) > _TOKENS:
            break
    kind = _SIGN.sub("", "".join(kinds))
    return _LIST.sub("", kind)


def _kind(match: re.Match[str], text: str) -> str:
    """The letter of a token, or none."""
    kind = match.lastgroup
    if kind == "w" or kind == "call":
        return _word(match["w"], match["call"])
    if kind == "c":
        if match.end() < len(text) and match.group()[0] != "/":
            return ""  # a line follows
        begin = match.group()
        ends = _BLANK.match(begin, 1) if begin[0] == "#" else _SHORT.match(begin, 2)
        return "c" if ends else "k"
    if kind == "mark":
        return match.group()
    if kind == "et":
        return "&"
    return kind or ""


def _word(word: str, call: str | None) -> str:
    if call and (kind := "F" if word in _ATTACKS else "G" if word in _KNOWN and call == "(" else ""):
        return kind
    if (kind := _KINDS.get(word, "?")) != "?":
        return kind
    if word[0] == "@":
        return "v"
    if _TABLES.match(word):
        return "T"
    return "f" if call == "(" else "w"


_VALUE: Final = "[nsvwfGFT]"
_ANYWHERE: Final[tuple[Sign, ...]] = (
    sign(10, "o", r"[&C][nsv]o{1,2}[nsvE]|^[nsvw]&[nsv]oG"),
    sign(10, "E", r"U[wm]?E[nsvFGaC,fTE]|UEw[,Rck]|[ns]UEw"),
    sign(10, "E", r"E(?:a|Ga?|[wTv](?:,[wTvnG]){1,20})R[wTFE]|EwR[wT]&w[oi]|E[GF][^R]{0,40}R[wTFE]|EC&|RE[EFGa]"),
    sign(10, "RT", r"E.{1,40}RT"),
    sign(10, "F", r"[&oE;,p]F|^F"),
    sign(10, "B", r"Bn(?:,n){0,40}c|B[nF](?:,[nwFGs]){1,40}[Fc]|^n?B(?:n,?){1,2}c?$|^[ns]Bn$"),
    sign(10, "G", r"G[pa]G[pa]|[&o]G[pa]G|^[ns]?&G.{0,12}o|^[ns]?[,;]?G[nsv]o|^no[na]{2}n$"),
    sign(10, "E", r"[oap]E(?:s|n|F|G|C|a|[wT]&)|&Ea|&EFR"),
    sign(10, ";", r"n;D.{0,40}[cF]|n;E.{0,60}[cFGR]|;DF|^n?;[DE][wf]?[cF]|;D?v[,=w]"),
    sign(10, ";", r"^[nsw];(?:E[GFaC]|G[nsv]o)"),
    sign(10, "&", r"^[nv]&[nv]c|^[nsv]&vc?$"),
    sign(6, "F", r"F"),
    sign(6, "T", r"T"),
    sign(6, "G", r"[&o]G"),
    sign(4, "E", r"UE|;E"),
    sign(4, "c", r"c$"),
    sign(4, "G", r"G"),
)
"""Kinds that show it wherever they stand, the text read from its beginning."""
_IN_QUOTES: Final[tuple[Sign, ...]] = (
    sign(10, "&", rf"^s&{_VALUE}[oi]{_VALUE}|^s&[nv](?:c|$)|^s&[FGE]|^s&sc|^s&wi[nsE]|^s&c$"),
    sign(10, "c", r"^s;?c$"),
    sign(10, "s", r"^s[pa][EFG]|^s[pa]w[pa]s|^s[ao][nv](?:c|$)"),
    sign(10, "s", r"^s[,;]?(?:U.?E|E[naGFCv]|F|C|G[nsv]o)|^s;[DE].{0,60}[cF]|^s;E"),
    sign(10, "s", r"^s(?:B[nwfG]|Mn|[AI][wvT]{1,3}(?:&[nsv]|[;U])|iw{0,2}U)|^s;wF"),
    sign(10, "&", r"^s(?:A?w)?&[nsv]o[nsv]"),
)
"""Kinds that show it where the text closes a quoted value: the first token is the value."""


def _way_out(quote: str) -> str:
    """The pattern of nothing but a way out of the quotes and back: x' or 'y, '-', '='."""
    return (
        rf"^[\w%. -]{{0,24}}{quote}[\s)]{{0,9}}(?:or|and|xor|\|\||&&|[-^*+=|&])[\s(]{{0,9}}{quote}{{1,2}}"
        rf"[^{quote}\s]{{0,24}}{quote}{{0,2}}[\s)]{{0,9}}(?:(?:--|#|/\*).{{0,9}})?$"
    )


_TEXT: Final[tuple[Sign, ...]] = (
    sign(10, "delay", r"\bwaitfor delay ?['\"(@]"),
    sign(10, "file", r"\binto (?:out|dump)file\b|\bload_file ?\("),
    sign(10, "xp_", r"\bxp_(?:cmdshell|dirtree|reg)"),
    sign(10, "analyse", r"\bprocedure analyse ?\("),
    sign(10, "union", r"\bunion(?: all| distinct)? ?\(? ?select\b ?[^a-z ]|\bunion all select"),
    sign(10, " boolean mode", r"\bin boolean mode\)"),
    sign(10, "from ", r"\bfrom (?:information_schema|sysobjects|sqlite_master|pg_catalog|mysql\.user|all_tables)\b"),
    sign(
        10,
        "(",
        r"\b(?:pg_)?sleep ?\( ?\d|\bbenchmark ?\( ?\d|\bdbms_(?:pipe|lock)\.\w{1,40} ?\(|\butl_(?:http|inaddr)\.",
    ),
    sign(10, "exec", r"\bexec(?:ute)? (?:master|sp_|xp_|immediate)"),
    sign(10, "@", r"\bdeclare @\w|\bselect @@"),
    sign(10, "drop ", r"\bdrop (?:table|database|function) [\w.`]{1,60} ?(?:;|--|#|$)"),
    sign(10, "delete from", r"\bdelete from [\w.`]{1,60} ?(?:;|where )"),
    sign(10, "insert into", r"\binsert into [\w.`]{1,60} ?(?:\(|values|select)"),
    sign(10, " set ", r"\bupdate [\w.`]{1,60} set [\w.`]{1,60} ?="),
    sign(10, "create", r"\bcreate (?:or replace )?(?:table|function|procedure|user|database) [\w.`]{1,60} ?[(;]"),
    *(sign(10, quote, _way_out(quote)) for quote in "'\""),
)
_COMMENTED: Final = re.compile(r"/\*!|/\*[^*\n]{0,40}\*/(?:union|select|or|and|from|where|order|group)\b")
_HINT: Final = re.compile(
    r"['\"=<>]|--|/\*|\w\(|\|\||@@|\b(?:union|select|order by|group by|table|into|delete|insert|update|waitfor)\b"
)


def shows_sqli(view: View) -> bool:
    """Whether the text would change the statement that it is put into, as attacks do."""
    text = view.folded
    if not _HINT.search(text):
        return False
    if "/*" in view.text and _COMMENTED.search(view.text):
        return True
    if reaches(text, _TEXT) or reaches(fingerprint(text), _ANYWHERE):
        return True
    return ("'" in text and _leaves(text, "'")) or ('"' in text and _leaves(text, '"'))


def _leaves(text: str, quote: str) -> bool:
    """Whether the text, put between such quotes, closes them and goes on as SQL.

    A quote after a space opens one, in prose as in code: no attack has it there.
    """
    first = text.index(quote)
    if first and text[first - 1] == " " and text.count(quote) % 2 == 0:
        return False
    kinds = fingerprint(quote + text)
    return reaches(kinds, _IN_QUOTES) or reaches(kinds, _ANYWHERE)
