"""What holds for all tests."""

from __future__ import annotations

import signal

# Run in the background of a script, a process and its children ignore Ctrl-C; some tests send it to their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
