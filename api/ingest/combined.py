"""The combined log of Apache httpd and nginx, and the common log that it extends (httpd: mod_log_config)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from . import values
from .format import Format, Rejected, text_line

__all__ = ["Combined", "http_result", "request_fields"]

_QUOTED = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(\\?\Z|")', re.DOTALL)
_RESULT = re.compile(r" (\d{3}|-) (\d+|-)(?= |\Z)", re.ASCII)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_METHOD = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}", re.ASCII)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}
_EXPECTED = 'expected ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERRER" "USER AGENT"'


class Combined(Format[str]):
    """Access log lines; a last quoted text that was cut off without its closing quote is taken as far as it goes."""

    name: ClassVar[str] = "combined"
    summary: ClassVar[str] = "access log of Apache httpd or nginx (combined or common)"

    def records(self, line: bytes) -> list[str]:
        """The line as text."""
        return [text_line(line)]

    def event(self, record: str) -> dict[str, Any]:
        """The request that the line tells of."""
        # The server escapes quotes, so the first `] "` ends the time, whatever stands in the user's name.
        head, there, tail = record.partition('] "')
        who, bracket, stamp = head.rpartition(" [")
        parts = who.split(" ", 2)
        if not there or not bracket or len(parts) < 3:
            raise Rejected(f"line: {_EXPECTED}")
        moment = values.clf_time(stamp)
        if moment is None:
            raise Rejected(f"time: {stamp[:40]!a} is not a time such as 17/May/2015:10:05:03 +0000")
        request = _QUOTED.match('"' + tail)
        result = _RESULT.match(tail, request.end() - 1) if request and request[2] == '"' else None
        if request is None or result is None:
            raise Rejected('status: expected "REQUEST" STATUS BYTES after the time')
        client, ident, user = parts
        metadata: dict[str, Any] = {}
        fields: dict[str, Any] = {"time": moment, "category": "api", "action": "api_call"}
        fields["ip_address"] = values.address(client)
        if fields["ip_address"] is None:
            metadata["client"] = client
        if ident != "-":
            metadata["ident"] = _unescaped(ident)
        if user not in ("-", '""'):
            fields["username"] = _unescaped(user)
        fields |= request_fields(_unescaped(request[1]), metadata)
        fields |= http_result(result[1], metadata)
        if result[2] != "-":
            metadata["bytes"] = values.whole(result[2]) if len(result[2]) < 19 else result[2]
        _quoted_rest(tail[result.end() :], fields, metadata)
        fields["metadata"] = metadata or None
        return fields


def request_fields(request: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Method and path of a request line; one that is none goes to `metadata.request` as it is."""
    method, _, more = request.partition(" ")
    path, _, protocol = more.rpartition(" ")
    if not protocol.startswith("HTTP/"):
        path, protocol = (more, "") if more.startswith("/") and " " not in more else ("", "")
    if path and _METHOD.fullmatch(method):
        if protocol:
            metadata["protocol"] = protocol
        return {"method": method, "path": path}
    if request not in ("", "-"):
        metadata["request"] = request
    return {}


def http_result(code: object, metadata: dict[str, Any]) -> dict[str, Any]:
    """Status, level and outcome of an answer: 5xx is an error, 4xx a warning, both a failure."""
    status = values.status(code)
    if status is None:
        if code not in (None, "", "-"):
            metadata["status"] = code
        return {}
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    return {"status_code": status, "level": level, "outcome": "success" if status < 400 else "failure"}


def _quoted_rest(rest: str, fields: dict[str, Any], metadata: dict[str, Any]) -> None:
    position = 0
    for key in ("referrer", "user_agent"):
        match = _QUOTED.match(rest, position + 1) if rest[position : position + 1] == " " else None
        if match is None:
            break
        position = match.end()
        value = _unescaped(match[1])
        if value not in ("", "-"):
            (fields if key == "user_agent" else metadata)[key] = value
    if extra := rest[position:].strip():
        metadata["extra"] = extra


def _unescaped(written: str) -> str:
    r"""The text with `\"` and `\xHH` undone; bytes that are not UTF-8 stay `\xHH`."""
    if "\\" not in written:
        return written
    made = bytearray()
    position = 0
    for match in _ESCAPE.finditer(written):
        made += written[position : match.start()].encode()
        position = match.end()
        if match[1]:
            made.append(int(match[1], 16))
        else:
            made += _CONTROL.get(match[2], match[0]).encode()
    made += written[position:].encode()
    return made.decode("utf-8", "backslashreplace")
