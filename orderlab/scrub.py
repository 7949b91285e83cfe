"""Keeps tokens in addresses out of a log."""

from __future__ import annotations

import logging
import re

_TOKEN = re.compile(r"(token=)[^&\s\"']+")


class Scrub(logging.Filter):
    """Writes `token=[secret]` where a log line has an address with a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always logged."""
        said = record.getMessage()
        record.msg, record.args = _TOKEN.sub(r"\1[secret]", said), None
        return True
