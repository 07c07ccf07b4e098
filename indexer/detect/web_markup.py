"""Markup and templates that a page, a parser or a template engine would run: XSS, XXE and template injection."""

from __future__ import annotations

from typing import Final

from .web_decode import View
from .web_features import Sign, after, called, reaches, sign

__all__ = ["shows_ssti", "shows_xss", "shows_xxe"]

_EVENTS: Final = (
    "(?:abort|activate|after|animation|auxclick|before|begin|blur|bounce|cancel|canplay|cellchange|change|click|close|"
    "contextmenu|control|copy|cuechange|cut|data|dblclick|deactivate|drag|drop|durationchange|emptied|end|error|"
    "filterchange|finish|focus|formdata|fullscreen|gesture|hashchange|help|input|invalid|key|layout|load|losecapture|"
    "media|message|mouse|move|offline|online|outofsync|page|paste|pause|play|pointer|popstate|progress|property|"
    "ratechange|ready|redo|repeat|reset|resize|reverse|row|scroll|search|seek|select|show|slotchange|stalled|start|"
    "stop|storage|submit|suspend|sync|timeerror|timeupdate|toggle|touch|track|transition|undo|unhandled|unload|url|"
    "volumechange|waiting|webkit|wheel|zoom)"
)
_CALLS: Final = frozenset(("alert", "confirm", "prompt", "msgbox", "eval", "settimeout", "setinterval"))
_GLOBALS: Final = ("window", "self", "top", "parent", "this", "globalthis")
_XSS: Final[tuple[Sign, ...]] = (
    sign(10, "<", r"<[\s/]{0,9}(?:script|i?frame(?:set)?|applet|isindex|bgsound|i?layer)\b"),
    sign(10, "<", r"<(?:object|embed|svg|math|xss|vmlframe|listener|handler|event-source)[\s/>+0%\\(=:]"),
    sign(10, "<", rf"<[a-z!?][^<>]{{0,800}}[\s\"'`/+>;]on{_EVENTS}[a-z]{{0,25}}[^<>=a-z]{{0,40}}="),
    sign(
        10,
        "<",
        r"<(?:meta|base|link)\b[^<>]{0,200}(?:http-equiv|href|content|url)|<\?import|<xml\b[^<>]{0,80}\s(?:id|src)\s?=|<!\[cdata\[<",
    ),
    sign(
        *(10, "<"),
        r"<(?:img|image|input|video|audio|source|body|table|td|bg|br|div|form|button|a|style|set|animate)\b[^<>]{0,400}"
        r"(?:script:|&\{|xlink:|formaction|expression|url\(|dynsrc|lowsrc|srcdoc|autofocus)",
    ),
    sign(10, "<", r"<style\b[^>]{0,80}>|<(?:set|animate\w{0,10})\b[^<>]{0,200}attributename"),
    sign(10, "on", rf"[\"'`>][^<>=]{{0,40}}\bon{_EVENTS}[a-z]{{0,25}}\s{{0,9}}=\s{{0,9}}[\w\"'`&]"),
    sign(10, "on", r"on(?:error|load|click|focus|mouse\w{2,9}|filterchange)\s{0,9}=\s{0,9}[\"'`]?\w{1,20}[(`.]"),
    sign(10, "script:", r"(?:^|[\s\"'`=(>:;,+])(?:java|vb|live|j)script:[^\s\"'<>]{0,80}[=(\[`\\.%\"'+{/]"),
    sign(
        *(10, "("),
        after("(", "alert", "confirm", "prompt", "eval", "print")
        + r"(?:document|window|location|self|this|top|name|xss|\)|string\.|atob|unescape|src|url|crosssite)",
    ),
    sign(10, "`", r"\b(?:alert|confirm|prompt)`"),
    sign(
        10,
        "document",
        r"\bdocument\.(?:cookie|write|domain|location|body|createelement|getelement|url|documentelement)",
    ),
    sign(10, "[", after("[", *_GLOBALS) + r"[\"'/]"),
    sign(10, ".", after(".", *_GLOBALS) + r"(?:location|alert|name|eval|open)\s?[=([]"),
    sign(10, ".fromcharcode", r"\bstring\.fromcharcode"),
    sign(10, "html", r"\.(?:inner|outer)html\s?="),
    sign(10, "location", r"\blocation\.(?:href|hash|replace)\s?[=(]|\blocation\s?=\s?[\"'`]"),
    sign(10, "new ", r"\bnew (?:activexobject|xmlhttprequest)\b"),
    sign(10, "import", r"\bimport\([\"'`]|@import\s?[\"'(]|@import url"),
    sign(10, "data:", r"\bdata:[^,\s]{0,60}(?:text/html|image/svg|application/xml|text/xml|javascript)"),
    sign(10, "expr", r"[:\s;]expression[(\[8]|\bexpr/\*"),
    sign(10, "-moz-b", r"-moz-binding\s?:"),
    sign(10, "behav", r"\bbehaviou?r\s?:\s?url"),
    sign(10, "(", r"[\"'`]\s{0,9}[);}\]]{0,5}\s{0,9}[;+*-]\s{0,9}(?:alert|confirm|prompt|eval)\("),
    sign(10, "&{", r"&\{[^}]{0,80}[=(]"),
    sign(10, "xlink", r"xlink:href\s?="),
    sign(6, ">", r"[\"'`]\s{0,9}/?>\s{0,9}[\"'`]?<[a-z!/?]"),
    sign(6, "<", r"<(?:img|image|video|audio|input|body|form|button|marquee|details|keygen|select|textarea|link)[\s/]"),
    sign(5, "=", r"\b(?:src|href|style|xmlns)\s?="),
    sign(5, "(", r"\b(?:alert|confirm|prompt)\s?\("),
)
_TIGHT: Final[tuple[Sign, ...]] = (
    sign(10, "script:", r"[=\"'`(:,>;](?:java|vb|live)script:[^\"'<>]{0,80}[=(\[`;]"),
    sign(10, "<", rf"<[a-z!?][^<>]{{0,400}}[\"'`/]on{_EVENTS}[a-z]{{0,25}}="),
    sign(10, "<scr", r"<script|<scr<[^<>]{0,20}>ipt"),
    sign(10, "expression(", r"[:;]expression\("),
)

_XXE: Final[tuple[Sign, ...]] = (
    sign(10, "<!entity", r"<!entity\s{1,9}[%&#\d;\s]{0,20}[\w.-]{1,40}\s{1,9}(?:system|public|[\"'])"),
    sign(10, "<!doctype", r"<!doctype\s[^\[>]{0,200}\[|<!doctype\s[^>]{0,200}\ssystem\s{0,9}[\"']"),
    sign(10, "<!element", r"<!element\s{1,9}[\w.-]{1,40}\s{0,9}(?:any|empty|\()"),
    sign(10, "include", r"<xi:include|\bxinclude\b[^<]{0,80}href"),
    sign(10, "system", r"\bsystem\s{1,9}[\"'](?:file|http|php|expect|gopher):"),
)

_BRACE: Final = r"(?:\{\{|[$#*@]\{|<%=?|\{%|\[\[|@\()"
_SSTI: Final[tuple[Sign, ...]] = (
    sign(10, "{", rf"{_BRACE}[^\n]{{0,9}}\b\d{{1,12}}\s{{0,3}}[*+/-]\s{{0,3}}['\"]?\d"),
    sign(10, "<%", rf"{_BRACE}[^\n]{{0,9}}\b\d{{1,12}}\s{{0,3}}[*+/-]\s{{0,3}}['\"]?\d"),
    sign(10, "@(", r"@\(\s?\d{1,12}\s?[*+/-]\s?\d"),
    sign(5, "{", r"\{\{|[$#*@]\{|\{%"),
    sign(5, "__", r"__\w{1,30}__"),
    sign(
        *(5, "."),
        r"\.(?:system|popen|exec|eval|getclass|forname|mro|constructor|getruntime|invoke|getinputstream)\b",
    ),
    sign(5, "|", r"\|\s?attr\b|\|\s?filter\("),
    sign(5, "t(", r"\{\s?t\("),
    sign(
        *(10, "{"),
        r"(?:\{\{|\{%)-?\s{0,9}(?:config|self|settings|request|_self|dump|debug|cycler|joiner|lipsum|url_for|"
        r"get_flashed_messages|namespace|include|import|passthru)\b[.|(_\[]|\{%\s{0,9}(?:include|import|debug)\b",
    ),
    sign(
        *(10, "{"),
        r"(?:[$#]\{|\{\{)\s{0,9}(?:self\.|class\.|this\.|t\(|new |dump\(|system\(|exec\(|request\.|session\.|"
        r"pagecontext|param\.|applicationscope|global\.|process\.|require\(|file\.|dir\.|io\.|`|\[\])",
    ),
    sign(10, "__", r"[.\[\"'(_ ]__(?:class|globals|subclasses|builtins|mro|bases?|getattribute)__\s?[.\[(\]\"']"),
    sign(10, "{$", r"\{\$smarty\."),
    sign(10, "{{", r"\{\{[\[(].{0,80}\|\s?(?:filter|map|sort|reduce|join)|\{\{='|\{\{`|\$\{\{[^}]{0,40}\*"),
    sign(10, "#", r"<#assign\b|#set\s?\(\$|\$class\.(?:inspect|type)"),
    sign(10, "<%", r"<%[=@ ][^%\n]{0,120}(?:system|exec|open|import|`|file\.|response\.|request\.|runtime)"),
)


def shows_xss(view: View) -> bool:
    """Whether a page that showed the text as it is would run a script of it."""
    text = view.text
    if called(view.calls, _CALLS, "\"'`/[(0123456789") or reaches(text, _XSS):
        return True
    return ("<" in text or "script" in text) and reaches(view.compact, _TIGHT)


def shows_xxe(view: View) -> bool:
    """Whether the text is XML that makes its parser read other files or expand entities."""
    return reaches(view.text, _XXE)


def shows_ssti(view: View) -> bool:
    """Whether a template engine that got the text as a template would compute or run it."""
    return reaches(view.text, _SSTI)
