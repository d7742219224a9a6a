"""Logs to standard output: one canonical line per batch, request or tick; JSON unless on a terminal."""

import logging
import sys

import structlog
from pydantic_core import to_json
from structlog.typing import ExcInfo

from shared.reasons import traced


def configure(service: str, *, json: bool | None) -> None:
    """Set logging up for a process; call once, at its start."""
    as_json = not sys.stdout.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_traced),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LibraryFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class LibraryFormatter(logging.Formatter):
    """Writes what a library logs as one line of JSON: its first line, and an error without what it quotes."""

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]  # not before 3.12
        """Return the line."""
        # What follows the first line of a library's message is the error again, in the library's words.
        line = {"event": "library", "logger": record.name, "message": record.getMessage().split("\n")[0]}
        error = record.exc_info[1] if record.exc_info else None
        return to_json(line if error is None else {**line, "exception": traced(error)}).decode()


def _traced(exc_info: ExcInfo) -> str:
    return traced(exc_info[1])
