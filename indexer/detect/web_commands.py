"""Command injection: what a shell, or the interpreter of another language, would run if it got the text."""

from __future__ import annotations

from typing import Final

from .web_decode import View
from .web_features import Sign, called, reaches, sign, words

__all__ = ["shows_cmdi", "shows_php"]

_CLEAR: Final = (  # no words of any language, so that it is enough that one follows a separator
    "(?:whoami|uname|ifconfig|ipconfig|netstat|nslookup|wget|curl|tasklist|taskkill|systeminfo|phpinfo|netcat|ncat|"
    "socat|traceroute|tracert|powershell|pwsh|bash|zsh|csh|ksh|busybox|python[23]?|perl|nodejs|gcc|chmod|chown|"
    "mkfifo|nohup|crontab|iptables|useradd|passwd|sudo|lsof|dmesg|hostname|printenv|wmic|certutil|bitsadmin|rundll32|"
    "regsvr32|mshta|cscript|schtasks|getent|base64|xxd|tcpdump|ftpget|telnet|ssh|scp|rsync|tftp|dig|sysinfo|bcdboot|"
    "cmd\\.exe|mysqldump|kubectl|sendmail|xterm|awk|gawk|sed|ls|pwd|egrep|fgrep|zgrep|ping6?)"
)
_WORDS: Final = (  # words too: something must follow that no sentence has
    "(?:id|cat|ping|sleep|nc|sh|dir|type|net|ps|echo|rm|mv|cp|ln|dd|env|set|reg|ver|who|w|last|df|du|top|find|grep|"
    "head|tail|more|less|sort|tee|kill|eval|exec|time|date|node|php|ruby|lua|vi|vim|ed|cut|tac|nl|od|tar|zip|"
    "unzip|gzip|cmd|ftp|copy|del|at|su|test|true|false|mail|nmap|watch|xargs|printf|read|export|route|arp|"
    "which|fc|jobs|wait|timeout|alias|command|source|ld|rev|strings|history|mount|halt|reboot|shutdown)"
)
_FOLDER: Final = r"(?:[/\w.*?]{0,60}/)?"
_ARGUMENTS: Final = (
    r"(?:\s?[&`<>]|\||,[^\s,]{1,60}[,}]|\s{1,9}(?:-\w|/\w|\$|\.\./|\*$|[a-z]:|[\"'%]\S|"
    r"[\w./-]{1,80}\.(?:com|org|net|exe|php|sh|txt)\b|c\+))"
)
_AFTER: Final = rf"(?:\s?$|{_ARGUMENTS})"


def _separated(needle: str, before: str, after: str = _AFTER) -> tuple[Sign, ...]:
    """The signs of a command that follows a separator."""
    return (
        sign(10, needle, rf"{before}[\s({{!]{{0,9}}+{_FOLDER}{_CLEAR}(?:\s|$|[;|&`<>,}}#])"),
        sign(10, needle, rf"{before}[\s({{!]{{0,9}}+{_FOLDER}{_WORDS}{after}"),
        sign(10, needle, rf"{before}\s{{0,9}}(?:sleep|ping|timeout|kill)\s{{1,9}}[\d.]{{1,15}}(?:\s|$|[;|&`#])"),
    )


_RUNS: Final = words("system shell_exec passthru popen proc_open pcntl_exec execfile spawn execsync exec getoutput")
_CMDI: Final[tuple[Sign, ...]] = (
    *_separated(";", ";"),
    sign(10, ";", rf"[;|&`]{_FOLDER}{_WORDS};"),
    *_separated("|", r"\|"),
    *_separated("&", "&"),
    *_separated("\n", "\n", _ARGUMENTS),
    sign(10, "\n", rf"^\n\s?{_FOLDER}{_WORDS}\s{{0,3}}$"),
    sign(10, "", rf"^[^\s;|&]{{0,30}}\s?[;|]\s{{0,3}}{_FOLDER}{_WORDS}\s{{0,3}}[;|]\s?$"),
    sign(10, "(", rf"[$<>]\(\s{{0,9}}{_FOLDER}(?:{_CLEAR}|{_WORDS})(?:\)|\s[^()]{{1,80}}\))"),
    sign(10, "`", rf"^[^`]{{0,40}}`\s{{0,3}}{_FOLDER}(?:{_CLEAR}|{_WORDS})(?:\s[^`]{{1,100}})?`\W{{0,3}}$"),
    sign(10, "{", rf"\{{{_FOLDER}(?:{_CLEAR}|{_WORDS}),[^\s,}}]{{1,80}}[,}}]"),
    sign(10, "dir", r"^\s?[+|&;`$\s]{1,9}dir[\s+]{1,9}c:|^(?:&|\$&&).{0,9}\bdir\b|\bdir c:"),
    sign(10, "bin/", r"(?:^|[\"'=;|&`(\n]\s{0,3})/?(?:usr/)?(?:local/)?s?bin/[a-z?*\[]{1,20}|/bin/(?:ba|z|c|k)?sh\b"),
    sign(10, "sh -", r"\b(?:ba|z|c|k)?sh -[ci]\b"),
    sign(10, "cmd", r"\bcmd(?:\.exe)? ?/[ckr]\b"),
    sign(10, "()", r"\(\) ?\{ ?[:_;]"),
    sign(10, "/dev/", r"/dev/(?:tcp|udp)/|> ?/dev/null"),
    sign(10, ">&", r"\d?>&\d"),
    sign(10, "<!--", r"<!--\s?#\s?(?:exec|include|echo|config|printenv)\b"),
    sign(10, "%", r"%(?:systemroot|comspec|windir|programfiles)%"),
    sign(10, "$", r"\$\{?ifs\b|\$\(\(|\$\{[#!@*]"),
    sign(
        *(10, " "),
        r"(?:^|[\"'=])(?:cat|ls|rm|cp|mv|head|tail|more|less|chmod|find|grep|nc|ping|wget|curl|which|type|del|echo|bash|"
        r"sh|python\d?|perl|php|ruby|dir|net|reg)\s{1,3}"
        r"(?:-[a-z]{1,6} ){0,2}(?:/(?:etc|bin|tmp|var|usr|proc|home|root|dev)\b"
        r"|https?://|\d{1,3}\.\d{1,3}\.\d{1,3}\.|c:|nc$|netcat$|user$|view$|query )",
    ),
    sign(10, " -", r"(?:^|[\"'=;|&])\s?(?:perl|python\d?|ruby|php|bash|sh|node)\s{1,3}-[ecr]\s?[\"'\w]"),
    sign(
        10,
        "net",
        r"\bnet (?:localgroup|user|group|share)\b.{0,80}/add\b|[;|&] ?net (?:view|user|start|stop)\b|"
        r"\bnetsh (?:adv)?firewall\b",
    ),
    sign(10, "hklm", r"\bhklm[\\:]"),
    sign(10, "@{", r"@\{\s{0,9}\["),
    sign(10, "powershell", r"\bpowershell\b.{0,40}\s-(?:e|enc|nop|w|c|ep|exec)\w{0,12}\b"),
    sign(10, "invoke-", r"\binvoke-(?:expression|webrequest|command)\b"),
    sign(10, "-object", r"\bnew-object net\."),
    sign(10, "start-", r"\bstart-process\b"),
    sign(10, "get-", r"\bget-(?:process|childitem|wmiobject)\b"),
    sign(10, "downloadstring", r"\bdownloadstring\b"),
    sign(10, "runtime", r"\bruntime\b.{0,9}(?:getruntime|\.exec|\.getr)|\.getruntime\b"),
    sign(10, "processbuilder", r"processbuilder"),
    sign(
        *(10, "java"),
        r"\bjava\.(?:lang\.(?:runtime|process|class|system)|io\.\w{0,20}stream|net\.url|util\.scanner|beans\.|rmi\.)|"
        r"\bjavax\.(?:script|naming|management)",
    ),
    sign(10, "java.", r"^java\.(?:io|lang|net|nio|util)\.[\w.]{1,100}$"),
    sign(10, "c", r"\bclass\.module\.|\bclass\.?classloader\b|\bcom\.sun\.org\.apache\b"),
    sign(10, "org.apache", r"\borg\.apache\.(?:commons\.(?:collections|beanutils)|struts|xalan)"),
    sign(10, "opensymphony", r"\bcom\.opensymphony\.xwork"),
    sign(10, "ognl", r"\bognl\.|@ognl"),
    sign(10, "member", r"#_memberaccess|\ballowstaticmethodaccess"),
    sign(10, "ro0ab", r"^ro0ab"),
    sign(10, "transformer", r"(?:invoker|instantiate|chained|constant)transformer\b"),
    sign(10, "child_process", r"\bchild_process\b"),
    sign(10, "process.", r"\bprocess\.(?:mainmodule|binding|exit\(|kill\()"),
    sign(10, "require", r"\brequire\s?\(\s?[\"'`](?:child|fs|http|net|os)"),
    sign(10, "_$$", r"_\$\$nd_func"),
    sign(10, "__", r"__(?:proto__\b|import__\s?\()"),
    sign(10, "constructor", r"\bconstructor[.\[\]\"']{1,4}(?:prototype|constructor)"),
    sign(10, "os.", r"\bos\.(?:system|popen)\("),
    sign(10, "subprocess", r"\bsubprocess\.(?:popen|call|run|check)"),
    sign(10, "eval(", r"\beval\((?:[\"'`$]|compile|string|atob|request|chr|base)"),
    sign(10, "console.", r"\bconsole\.(?:log|debug|error|info|trace)\("),
    sign(10, "function", r"\bnew function\s?\(|\(function\s?\(\)\s?\{"),
)

_CALLS: Final = words(
    "base64_decode gzinflate str_rot13 call_user_func call_user_func_array create_function shell_exec passthru "
    "proc_open file_put_contents file_get_contents fsockopen move_uploaded_file ini_set preg_replace "
    "register_shutdown_function highlight_file show_source posix_getpwuid posix_kill func_get_args parse_str "
    "hex2bin opendir scandir curl_exec debug_backtrace get_defined_vars array_map array_filter var_dump print_r "
    "readfile"
)
_QUOTED_CALLS: Final = frozenset(("assert", "fopen", "eval", "unserialize", "extract", "usort", "chr", "getenv"))
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz_0123456789"
_PHP: Final[tuple[Sign, ...]] = (
    sign(10, "<?", r"<\?(?:php|=|\s|$)"),
    sign(10, "php", r"\[/?php\]|\{php\}|\bphp://|\bphpinfo\s?\(|\bphar:/"),
    sign(
        10, "$", r"\$_(?:get|post|request|server|cookie|files|session|env)\s?[\[{)]|\$globals\b|\$http_(?:raw|post|get)"
    ),
    sign(10, "auto_prepend_file", r"auto_prepend_file"),
    sign(10, "allow_url_include", r"allow_url_include"),
    sign(10, ":{", r"\b[oc]:\d{1,6}:\"[^\"]{1,80}\":\d{1,6}:"),
    sign(10, "$", r"\$\w{1,40}\s?\([^()]{0,80}\)\s?;|\$\w{1,40}\[[^\]]{0,40}\]\s?\(|\$\{[\"'$\w]{1,40}\}\s?\("),
    sign(10, ")(", r"\(['\"]\w{1,40}['\"]\)\("),
)


def shows_cmdi(view: View) -> bool:
    """Whether a shell, or another interpreter that got the text, would run a command of it."""
    if called(view.calls, _RUNS, "\"'`$[") or reaches(view.folded, _CMDI):
        return True
    return view.bare != view.folded and reaches(view.bare, _CMDI)


def shows_php(view: View) -> bool:
    """Whether the text is PHP, or an object that PHP would wake."""
    calls = view.calls
    if called(calls, _CALLS, "\"'`$[)" + _LETTERS) or called(calls, _QUOTED_CALLS, "\"'$"):
        return True
    return reaches(view.text, _PHP)
