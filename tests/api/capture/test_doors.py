"""What holds for every door of the capture package."""

import os
import subprocess
import sys

OPTIONAL = ("structlog", "loguru", "sqlalchemy", "psutil", "pydantic", "sqlite3", "starlette")
DOORS = (
    "log_handler",
    "structlog_processor",
    "loguru_sink",
    "hooks",
    "auditing",
    "functions",
    "sql",
    "cached",
    "sampler",
)


def test_a_door_loads_nothing_that_it_may_not_need() -> None:
    """Neither the libraries that it is the door for, nor what writes to the disk, before there is a store."""
    imports = "; ".join(f"import stonelog.api.capture.{door}" for door in DOORS)
    program = f"import sys; {imports}; print(sorted(set({OPTIONAL!r}) & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
