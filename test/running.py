"""Interpreters and threads that tests run."""

from __future__ import annotations

import subprocess
import sys
import threading


def python(*arguments, interpreter=sys.executable):
    """The command for an interpreter in which warnings are errors."""
    return [str(interpreter), "-W", "error", *map(str, arguments)]


def run_python(*arguments, interpreter=sys.executable, **kwargs):
    """Run it to its end; return how it ended and what it wrote."""
    options = {"capture_output": True, "text": True, "timeout": 60, **kwargs}
    return subprocess.run(python(*arguments, interpreter=interpreter), **options)


def in_threads(work, given):
    """Call a function for each of the values, all at the same time."""
    threads = [threading.Thread(target=work, args=(one,)) for one in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
