"""The names by which programs that look for holes say what they are."""

from __future__ import annotations

import re
from typing import Final

from .web_features import words

__all__ = ["is_scanner"]

_NAMES: Final = words(
    "sqlmap nikto nessus openvas nmap masscan zgrab acunetix netsparker invicti qualys nuclei wpscan joomscan "
    "droopescan dirbuster gobuster feroxbuster dirsearch wfuzz ffuf arachni havij w3af skipfish vega whatweb wapiti "
    "burpsuite burpcollaborator owasp-zap zaproxy appscan webinspect paros jaeles jorgee morfeus muieblackcat brutus "
    "grendel-scan n-stealth n-stalker pmafind bsqlbf sqlninja sqlsus commix xsser xsstrike dalfox fimap "
    "domino-hunter webshag cgichk core-project dragostea fhscan httprint internet-ninja jbrofuzz metis mysqloit "
    "nsauditor pangolin springenwerk sundayddr sysscan uil2pn voideye webbandit zmeu zmap l9explore l9tcpid leakix "
    "censysinspect interactsh naabu subfinder detectify nettacker ncrack medusa cmsmap cmseek vulmap pocsuite "
    "yakit goby fscan crlfuzz log4j-scan struts-pwn blackwidow datacha0s"
)
_ALTERNATIVES: Final = "|".join(re.escape(name).replace(r"\-", "[ _-]?") for name in sorted(_NAMES))
_NAME: Final = re.compile(rf"(?:^|[\s/(;+])(?:{_ALTERNATIVES})(?=$|[\s/):;,._+-]|\d)|scripting engine;\s?nmap")


def is_scanner(user_agent: str) -> bool:
    """Whether the user agent names a scanner. What pretends to be a browser is not found."""
    return _NAME.search(user_agent[:512].lower()) is not None
