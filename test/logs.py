"""What is logged, for tests that read it."""

from __future__ import annotations

import contextlib
import logging


class Lines(logging.Handler):
    """Keeps what is logged, line by line, and with its traceback."""

    def __init__(self, form="%(message)s"):
        super().__init__()
        self.setFormatter(logging.Formatter(form))
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@contextlib.contextmanager
def listening(handler, *names, level=None):
    """Let a handler hear loggers, and have them say what is of a level."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if level is not None:
            logger.setLevel(level)
    try:
        yield handler
    finally:
        for logger, before in zip(loggers, levels):
            logger.removeHandler(handler)
            logger.setLevel(before)
