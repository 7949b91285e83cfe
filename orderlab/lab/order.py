"""An order in a notebook: what the API tells of it, and its journal in files that other tools open."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from orderlab.calls.checking import public
from orderlab.drawing.exports.otlp import otlp
from orderlab.drawing.exports.perfetto import perfetto
from orderlab.errors import LabError


@public
class Order(dict[str, Any]):
    """An order as the API tells it: a dict that reads well, and that exports its own journal."""

    _events: Callable[[], list[dict[str, Any]]] | None = None  # reads the journal; None: it is of no lab

    def perfetto(self, file: str | Path) -> Path:
        """Write what is recorded of it now as a trace for ui.perfetto.dev: a group of tracks per process, a slice per
        step. Returns the file's path; raises `LabError` if it can't be written.
        """
        return _write(file, perfetto(self._journal()))

    def otlp(self, file: str | Path) -> Path:
        """Write what is recorded of it now as OpenTelemetry's OTLP JSON: a span per step, trace ids as recorded.
        Returns the file's path; raises `LabError` if it can't be written.
        """
        return _write(file, otlp(self._journal(), self["order_id"]))

    def _journal(self) -> list[dict[str, Any]]:
        if self._events is None:
            raise LabError("This order was made by hand, so nothing is recorded of it. Take it from `lab.order(…)`.")
        return self._events()

    def __str__(self) -> str:
        lines = [f"order     {self['order_id']}", f"status    {self._standing()}"]
        lines += [f"item      {item['quantity']} × {item['sku']} at {item['price']}" for item in self["items"]]
        lines += [f"total     {self['total']} {self['currency']}"]
        lines += ["customer  {name} <{email}>".format(**self["customer"])]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _standing(self) -> str:
        reason = self["rejection_reason"]
        return f"{self['status']} ({reason})" if reason else str(self["status"])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        rows = (line.split(None, 1) for line in str(self).splitlines())
        cells = "".join(
            f'<tr><th style="text-align: left">{name}</th><td style="text-align: left">{escape(value)}</td></tr>'
            for name, value in rows
        )
        return f"<table>{cells}</table>"


def _write(file: str | Path, told: dict[str, Any]) -> Path:
    path = Path(file)
    path.write_text(json.dumps(told, ensure_ascii=False, default=str), encoding="utf-8")
    return path
