"""A small shop over HTTP that logs what it does as JSON lines: `app.py PORT LOGFILE`.

It does real work (SQLite in memory, hashed passwords, an order's arithmetic) and has two honest bugs, so that its log
holds logins, orders, slow queries and tracebacks as such programs write them.
"""

import hashlib
import json
import logging
import sqlite3
import sys
import time
import traceback
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

USERS = {"ada": "u-1001", "grace": "u-1002", "linus": "u-1003", "zoë": "u-1004", "管理者": "u-1005"}
SESSIONS: dict[str, str] = {}
SLOW_MS = 50.0

log = logging.getLogger("shop")


class JsonLines(logging.Formatter):
    """One JSON object a record; what a call gave as `extra={"data": {...}}` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info and record.exc_info[1]:
            error = traceback.TracebackException.from_exception(record.exc_info[1])
            for frame in error.stack:
                frame.filename = Path(frame.filename).name
            line["error"] = {
                "kind": record.exc_info[0].__name__,
                "text": str(record.exc_info[1]),
                "stack": "".join(error.format()),
            }
        return json.dumps(line, ensure_ascii=False)


class Shop:
    """The shop's tables: three products, and the orders that come in."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.db.execute("create table products (sku text primary key, name text, cents int, packs int)")
        self.db.execute("create table orders (id integer primary key, user text, sku text, n int, cents int)")
        products = [("tea-1", "Green tea", 450, 12), ("tea-2", "Ōolong", 620, 0), ("cup-1", "Cup, blue", 990, 6)]
        self.db.executemany("insert into products values (?, ?, ?, ?)", products)
        self.salt = b"recorded sample"
        self.passwords = {name: self.hashed(f"{name}-secret") for name in USERS}

    def hashed(self, password: str) -> bytes:
        return hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, 20_000)

    def login(self, user: str, password: str) -> bool:
        return self.passwords.get(user) == self.hashed(password)

    def order(self, user: str, sku: str, n: int) -> dict:
        name, cents, packs = self.db.execute("select name, cents, packs from products where sku = ?", [sku]).fetchone()
        # An honest bug: tea-2 comes in no packs.
        boxes = n // packs
        total = n * cents
        row = self.db.execute("insert into orders (user, sku, n, cents) values (?, ?, ?, ?)", [user, sku, n, total])
        return {"id": row.lastrowid, "sku": sku, "name": name, "quantity": n, "boxes": boxes, "total_cents": total}

    def report(self, depth: int) -> tuple[int, float]:
        started = time.perf_counter()
        counting = "with recursive c(i) as (select 1 union all select i + 1 from c where i < ?) select count(*) from c"
        (rows,) = self.db.execute(counting, [depth]).fetchone()
        return rows, (time.perf_counter() - started) * 1000


class Handler(BaseHTTPRequestHandler):
    shop: Shop
    server_version = "shop"

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *arguments: object) -> None:
        """The access log is the web server's matter."""

    def answer(self) -> None:
        self.started = time.perf_counter()
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.user = SESSIONS.get(self.headers.get("X-Session", ""))
        url = urlsplit(self.path)
        try:
            status, reply = self.route(url.path, parse_qs(url.query))
        except Exception as error:
            status, reply = 500, {"error": "internal"}
            log.exception("%s %s failed", self.command, url.path, extra=self.about(500))
            if isinstance(error, sqlite3.Error):
                log.critical("database error, check the disk", extra=self.about(500))
        payload = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def about(self, status: int, **more: object) -> dict:
        milliseconds = round((time.perf_counter() - self.started) * 1000, 3)
        request = {"id": self.headers.get("X-Request-ID"), "method": self.command, "path": self.path}
        data = {"request": {**request, "status": status, "duration_ms": milliseconds}}
        data["client"] = {"ip": self.headers.get("X-Real-IP")}
        if self.user:
            data["user"] = {"name": self.user, "id": USERS[self.user]}
        return {"data": {**data, **more}}

    def route(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict]:
        if path in ("/v1/login", "/v1/logout"):
            return self.session(path)
        if path == "/v1/orders" and self.command == "POST":
            return self.order()
        if path == "/v1/report":
            rows, milliseconds = self.shop.report(int(query["depth"][0]))
            if milliseconds > SLOW_MS:
                spent = {"query": {"rows": rows, "duration_ms": round(milliseconds, 3)}}
                log.warning("slow query", extra=self.about(200, **spent))
            else:
                log.info("report made", extra=self.about(200))
            return 200, {"rows": rows}
        if path == "/cart":
            log.debug("cart shown", extra=self.about(200))
            return 200, {"items": json.loads(self.headers.get("Cookie", "[]"))}
        if path == "/v1/health":
            return 200, {"ok": True}
        log.info("no such resource", extra=self.about(404))
        return 404, {"error": "not found"}

    def session(self, path: str) -> tuple[int, dict]:
        if path == "/v1/logout":
            log.info("logout", extra=self.about(204))
            SESSIONS.pop(self.headers.get("X-Session", ""), None)
            return 200, {}
        given = json.loads(self.body)
        if not self.shop.login(given["user"], given["password"]):
            log.warning("login failed", extra=self.about(401, user={"name": given["user"]}))
            return 401, {"error": "wrong user or password"}
        session = hashlib.sha256(f"{given['user']}{len(SESSIONS)}".encode()).hexdigest()[:16]
        SESSIONS[session] = self.user = given["user"]
        log.info("login", extra=self.about(200, session=session))
        return 200, {"session": session}

    def order(self) -> tuple[int, dict]:
        if not self.user:
            log.warning("order refused: no session", extra=self.about(403))
            return 403, {"error": "log in first"}
        given = json.loads(self.body)
        order = self.shop.order(self.user, given["sku"], given["quantity"])
        log.info("order %d created", order["id"], extra=self.about(201, order=order))
        return 201, order


def main() -> None:
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])
    Handler.shop = Shop()
    log.info("shop started", extra={"data": {"products": 3}})
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
