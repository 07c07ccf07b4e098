"""Records auth.log: sshd, sudo, su, useradd and chpasswd log through syslog, as on any Linux host.

`auth.py OUT`, as root, on a machine to throw away: it makes users, puts documentation addresses on the loopback
interface and answers on /dev/log; it takes all of that back at the end. The lines are stamped here, as rsyslog stamps
local messages, with a clock that is moved forward between two logins.
"""

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
HOST = "edge-1"
USERS = {"ada": "pour-the-tea", "grace": "bug-in-relay-70", "deploy": "not-used-at-all"}
OFFICE, HOME, CI, GUESSER = "192.0.2.10", "2001:db8::17", "198.51.100.9", "203.0.113.66"
AUTH = {4, 10}  # the syslog facilities auth and authpriv (RFC 5424)
OF_THIS_MACHINE = re.compile(r"pam_(limits|systemd|env)\(")  # tells what the recording machine lacks, not who did what
SUDOERS = Path("/etc/sudoers.d/stonelog-sample")
DEV_LOG = Path("/dev/log")


class Syslog:
    """Writes what arrives on /dev/log to a file, in the traditional format (RFC 3164)."""

    def __init__(self, file: Path) -> None:
        self.file, self.now = file, START
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(DEV_LOG))
        DEV_LOG.chmod(0o666)
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self) -> None:
        with self.file.open("w", encoding="utf-8") as log:
            while message := self.socket.recv(65536).decode("utf-8", "backslashreplace"):
                parts = re.fullmatch(r"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d (.*?)[\n\0]*", message, re.S)
                if parts and int(parts[1]) >> 3 in AUTH and not OF_THIS_MACHINE.search(parts[2]):
                    log.write(f"{self.now:%b %e %H:%M:%S} {HOST} {parts[2]}\n")
                    log.flush()

    def wait(self, seconds: float) -> None:
        time.sleep(0.4)  # what the last command has left to say
        self.now += timedelta(seconds=seconds)


class Ssh:
    """An sshd of its own on a loopback port, and people who log in to it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        for name in ("host", "deploy"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
        (folder / "ask").write_text('#!/bin/sh\necho "$ANSWER"\n')
        (folder / "ask").chmod(0o755)
        (folder / "keys").write_text((folder / "deploy.pub").read_text())
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/keys\nStrictModes no\nUsePAM yes\nPermitRootLogin yes\n"
            "KbdInteractiveAuthentication no\nUseDNS no\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", folder / "sshd_config"])
        time.sleep(1)

    def login(self, user: str, password: str | None, source: str, command: str = "true", answers: str = "") -> None:
        """Logs in from `source` with the password, or with the key if there is none, and runs the command."""
        how = ["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]
        if password is None:
            how = ["-i", str(self.folder / "deploy"), "-o", "PasswordAuthentication=no"]
        ask = {"SSH_ASKPASS": str(self.folder / "ask"), "SSH_ASKPASS_REQUIRE": "force", "ANSWER": password or ""}
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=QUIET"]
        target = "::1" if ":" in source else "127.0.0.1"
        subprocess.run(
            ["ssh", *quiet, *how, "-b", source, "-p", str(self.port), "-l", user, target, command],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **ask},
            input=answers.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )

    def probe(self, source: str, data: bytes) -> None:
        """Connects and sends what is no SSH."""
        with socket.create_connection(("127.0.0.1", self.port), source_address=(source, 0)) as peer:
            peer.sendall(data)
            peer.settimeout(1)
            try:
                while peer.recv(1024):
                    pass
            except OSError:
                return


def morning(syslog: Syslog, ssh: Ssh, pick: random.Random) -> None:
    """What is recorded: working days of three people and one machine, and a guesser in between."""
    sudo = "sudo -S -k -p '' "
    people = [
        ("ada", OFFICE, sudo + "id", USERS["ada"] + "\n"),
        ("ada", OFFICE, sudo + "systemctl reload nginx", USERS["ada"] + "\n"),
        ("grace", HOME, "true", ""),
        ("grace", HOME, sudo + "cat /etc/shadow", USERS["grace"] + "\n"),
        ("ada", OFFICE, sudo + "id", "wrong\nwrong\nwrong\n"),
        ("grace", HOME, "su ada -c id", USERS["ada"] + "\n"),
        ("grace", HOME, "su - -c id", "wrong\n"),
    ]
    for number, (user, source, command, answers) in enumerate(people):
        syslog.wait(pick.expovariate(1 / 1500))
        ssh.login(user, USERS[user], source, command, answers)
        syslog.wait(pick.expovariate(1 / 600))
        ssh.login("deploy", None, CI)
        if number == 2:
            guess(syslog, ssh, pick)
        if number == 4:
            ssh.login("ada", "tea-the-pour", OFFICE)


def guess(syslog: Syslog, ssh: Ssh, pick: random.Random) -> None:
    for user in ["root", "admin", "oracle", "root", "ada", "from", "postgres 10.0.0.1", "пользователь", "test"]:
        syslog.wait(pick.uniform(2, 9))
        ssh.login(user, "123456", GUESSER)
    syslog.wait(5)
    ssh.probe(GUESSER, b"GET / HTTP/1.0\r\n\r\n")
    syslog.wait(5)
    ssh.probe(GUESSER, b"")


def run(*command: str, text: str = "", check: bool = True) -> None:
    subprocess.run(command, input=text.encode(), capture_output=True, check=check)


def main() -> None:
    out = Path(sys.argv[1]) / "auth.log"
    with socket.create_server(("127.0.0.1", 0)) as peer:
        port = peer.getsockname()[1]
    syslog = Syslog(out)
    sources = (OFFICE, HOME, CI, GUESSER)
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        ssh = Ssh(Path(name), port)
        try:
            for source in sources:
                run("ip", "addr", "add", source, "dev", "lo")
            for user, password in USERS.items():
                run("useradd", "--create-home", "--shell", "/bin/sh", user)
                run("chpasswd", text=f"{user}:{password}\n")
                syslog.wait(20)
            SUDOERS.write_text("ada ALL=(ALL) ALL\n")
            SUDOERS.chmod(0o440)
            morning(syslog, ssh, random.Random(3))
            syslog.wait(900)
            run("userdel", "--remove", "deploy")
        finally:
            ssh.daemon.terminate()
            ssh.daemon.wait(10)
            syslog.wait(0)
            DEV_LOG.unlink()
            SUDOERS.unlink(missing_ok=True)
            for user in USERS:
                run("userdel", "--remove", user, check=False)
            for source in sources:
                run("ip", "addr", "del", source, "dev", "lo", check=False)


if __name__ == "__main__":
    main()
