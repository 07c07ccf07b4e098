"""Paths and addresses that lead where they should not: traversal, file inclusion, and requests forged at the server."""

from __future__ import annotations

from typing import Final

from .web_decode import View
from .web_features import Sign, after, reaches, sign

__all__ = ["shows_ssrf", "shows_traversal"]

_HIDDEN: Final = (
    r"(?:htaccess|htpasswd|git/|gitconfig|svn/|env(?:$|[.?])|ssh/|aws/|bash_history|bashrc|profile|mysql_history|npmrc|"
    r"docker|ds_store|hg/|kube/|netrc|pgpass|rhosts|history|sh_history|zsh_history)"
)
_TRAVERSAL: Final[tuple[Sign, ...]] = (
    sign(10, "..", r"(?:\.\.[/;]{1,9}){2}|(?:/\.{2,9}){2}|(?:\.{3,9}/{1,9}){2}|/\.{5}|\./\.\.?/{0,3}\.\."),
    sign(10, "./", r"(?:\./{1,3}){4}"),
    sign(
        *(10, "etc"),
        r"(?:^|[\s\"'=:/@|(.;])/?etc/?(?:passwd|shadow|group|hosts|issue|fstab|crontab|sudoers|ssh|httpd|apache|mysql|"
        r"nginx|init|profile|motd|release|hostname|resolv|rc\.|php|default|security|network|snmp|ftp|http|sysconfig|"
        r"logrotate|cron|inetd|exports|samba|my\.cnf|wu-ftpd|proftp|vsftpd|pure-ftpd|ppp)",
    ),
    sign(10, "etc/", r"^/{0,9}etc/\S{1,200}$"),
    sign(10, "/.", r"^/{1,9}\.(?!well-known\b|vite\b)[a-z][\w-]{1,40}(?:/|$|\.)"),
    sign(10, "proc/", r"(?:^|[\s\"'=:/])proc/(?:self|\d{1,9}/|version|cmdline|cpuinfo|net|mounts|sys|kcore)\b"),
    sign(10, ".ini", r"\b(?:boot|win|system|php|desktop)\.ini\b"),
    sign(10, "web", r"\bweb[.-]inf|\bweb\.(?:config|xml)\b"),
    sign(10, "win", r"\bwinnt/|\bwindows/(?:system|repair|win|temp|debug|php)|\bwinnt\W?system"),
    sign(10, "system32", r"/system32\b"),
    sign(10, "global.asa", r"\bglobal\.asa|rootglobal\.asa"),
    sign(10, ".conf", r"\bhttpd\.conf|^\S{0,200}/(?:apache\d?|nginx|php\d?|mysql|conf|etc)/\S{0,80}\.conf\b"),
    sign(10, "cmd.exe", r"\bcmd\.exe"),
    sign(10, "repair/", r"\brepair/(?:sam|system)\b"),
    sign(10, "/.", rf"^\S{{0,400}}/\.{_HIDDEN}"),
    sign(10, ".", rf"^\.{_HIDDEN}"),
    sign(10, "id_", r"\bid_[rd]sa\b"),
    sign(10, "wp-config", r"^\S{0,400}\bwp-config\."),
    sign(
        10,
        "/",
        r"^/{0,9}(?:var/(?:log|www|lib|mail|spool|adm|run|cron|apache|mysql|cpanel|htmp|db)|root|private/etc|usr/"
        r"(?:local|lib|share|home|apache|ports|pkg|spool|etc)\w{0,9}|opt/(?:lampp|xampp|apache|httpd|tomcat|nsconfig))"
        r"(?:/\S{0,400})?$",
    ),
    sign(10, "/logs/", r"^\S{0,200}/apache\d?/logs/"),
    sign(
        10,
        ":/",
        after(":/", "php", "expect", "phar", "zip", "zlib", "bzip2", "glob", "ogg", "rar", "ssh2") + r"/?[^\s/]",
    ),
    sign(10, "file:", r"\bfile:/{1,4}(?:[a-z]:|etc/|\w{1,20}/)"),
    sign(
        10,
        ":/",
        r"^[a-z]:/(?:windows|winnt|boot|inetpub|program|users|apache|xampp|wamp|php|mysql|documents|sysprep|"
        r"unattend|system|pagefile|ntldr|minint|home)|^[a-z]:/\w{1,20}\.ini",
    ),
    sign(10, "inetpub", r"/inetpub/|^[a-z]:inetpub"),
    sign(6, "..", r"(?:^|[=/\s])\.\./|/\.\.(?:/|$|[^\w.])|\.\.;/"),
    sign(
        5,
        ".",
        r"\.(?:php|ini|conf|asa|log|inc|config|bak|sql|passwd|htpasswd|htaccess|pem|key|db|asp|aspx|jsp)(?:$|[\0?%;\s])",
    ),
    sign(5, "/", r"/(?:etc|proc|var|usr|bin|boot|windows|logs?|conf)/"),
)

_SSRF: Final[tuple[Sign, ...]] = (
    sign(10, ".254.", r"\b169\.254\.(?:169\.254|170\.2)\b"),
    sign(10, "metadata.", r"\bmetadata\.(?:google|azure|packet|tencent|internal)"),
    sign(10, "100.100.", r"//100\.100\.100\.200\b"),
    sign(10, "meta", r"\blatest/meta-data|\bcomputemetadata/v1|\brancher-metadata\b"),
    sign(10, "[", r"\[fd00:ec2::254\]|\[::(?:1|ffff:[^\]\s]{1,40})?\]|\[(?:0:){5}ffff:"),
    sign(
        10,
        "://",
        after(
            "://",
            "gopher",
            "dict",
            "tftp",
            "ldap",
            "ldaps",
            "sftp",
            "netdoc",
            "imap",
            "pop3",
            "rtsp",
            "telnet",
            "redis",
        ),
    ),
    sign(10, "jar:", r"\bjar:(?:http|file|ftp)"),
    sign(10, "//", r"//[^/@\s]{0,60}0x[0-9a-f]{2,8}(?:[.:/]|$)|//\d{8,10}(?:[:/]|$)|//0[0-7]{2,11}\."),
    sign(10, "http", r"\bhttps?:/?(?:0x[0-9a-f]{2,8}|0[0-7]{2,11}\.|\d{8,10}(?:[:/]|$))"),
    sign(10, "//", r"//127\.\d{1,6}(?:[:/]|$)|//0{1,4}(?:[:/]|$)|//0\.0\.0\.0"),
    sign(10, ".io", r"\.(?:nip|xip|sslip)\.io\b"),
    sign(10, "localtest", r"\blocaltest\.me\b"),
    sign(
        *(10, "//"),
        r"//(?:[^/@\s]{0,40}@)?(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|10\.\d{1,3}\.\d{1,3}\.\d{1,3}):"
        r"(?:2[1235]|11[01]|135|139|445|2375|2379|3306|5432|5984|6379|9200|11211|27017)\b",
    ),
    sign(
        *(10, "//"),
        r"//(?:localhost|127\.0\.0\.1)(?::\d{1,5})?/(?:server-status|admin|manager|console|actuator|_cat|phpmyadmin|"
        r"etc/|env\b|latest/)",
    ),
    sign(10, "//", r"^(?:https?:)?//[^/\s]{0,60}[\u2460-\u24ff]"),
    sign(10, "url:", r"^url:(?:file|https?|ftp):"),
)


def shows_traversal(view: View) -> bool:
    """Whether the text names a file above, or one that nobody outside has business with, or includes one."""
    return "0x2e0x2e" in view.text or reaches(view.slashes, _TRAVERSAL)


def shows_ssrf(view: View) -> bool:
    """Whether the text is an address that only the server itself can reach, or that hides where it leads."""
    return reaches(view.text, _SSRF)
