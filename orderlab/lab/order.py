"""An order in a notebook: what the API tells of it, and everything that can be asked about it."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderlab.calls.checking import public
from orderlab.drawing.exports.otlp import otlp
from orderlab.drawing.exports.perfetto import perfetto
from orderlab.errors import LabError
from orderlab.language import _

if TYPE_CHECKING:
    import pandas as pd

    from orderlab.drawing.drawing import Drawing
    from orderlab.drawing.timeline import Timeline
    from orderlab.lab.lab import Lab
    from orderlab.verdicts.verdict import Verdict


@public
class Order(dict[str, Any]):
    """An order as the API told it when it was asked: a dict that reads well, and that answers for itself."""

    _of: Lab | None = None  # the lab that it is in; None: it was made by hand

    @property
    def order_id(self) -> str:
        """Its id."""
        return str(self["order_id"])

    @property
    def status(self) -> str:
        """Its status now: RECEIVED, INVENTORY_RESERVED, CONFIRMED or REJECTED. The API is asked anew."""
        return str(self.refresh()["status"] if self._of else self["status"])

    @property
    def step(self) -> str:
        """The label of the step that ended last, such as "19"; "" where none is recorded yet."""
        ended = [event for event in self._lab().journal(self.order_id) if event["ended_at"]]
        return str(max(ended, key=lambda event: event["ended_at"])["label"]) if ended else ""

    def refresh(self) -> Order:
        """Ask the API again; the same order, as it is now."""
        self.update(self._lab().order(self.order_id))
        return self

    def wait(self, timeout: float = 30) -> Order:
        """Wait until it has come to its end; the same order.

        Raises `LabError` that says what is missing after `timeout` seconds.
        """
        self.update(self._lab().wait(self.order_id, timeout=timeout))
        return self

    def events(self) -> pd.DataFrame:
        """Its events as a DataFrame; the columns are those of `Lab.events`."""
        return self._lab().events(self.order_id)

    def sequence(self) -> Drawing:
        """What happened to it, as the diagram draws it."""
        return self._lab().sequence(self.order_id)

    def timeline(self) -> Timeline:
        """What happened to it, as bars over time."""
        return self._lab().timeline(self.order_id)

    def verdict(self, patience: float = 30) -> Verdict:
        """What its end state amounts to; what has not happened after `patience` seconds is stuck."""
        return self._lab().verdict(self.order_id, patience=patience)

    def save(self, file: str | Path) -> Path:
        """Write its run into one file, which `Run.open` shows with no lab. Returns the file's path."""
        return self._lab().save(self.order_id, file)

    def perfetto(self, file: str | Path) -> Path:
        """Write what is recorded of it now as a trace for ui.perfetto.dev: a group of tracks per process, a slice per
        step. Returns the file's path; raises `LabError` if it can't be written.
        """
        return _write(file, perfetto(self._lab().journal(self.order_id)))

    def otlp(self, file: str | Path) -> Path:
        """Write what is recorded of it now as OpenTelemetry's OTLP JSON: a span per step, trace ids as recorded.
        Returns the file's path; raises `LabError` if it can't be written.
        """
        return _write(file, otlp(self._lab().journal(self.order_id), self.order_id))

    def _lab(self) -> Lab:
        if self._of is None:
            raise LabError(_("This order was made by hand, so nothing is recorded of it. Take it from `lab.order(…)`."))
        return self._of

    def __str__(self) -> str:
        lines = [f"{_('order'):<10}{self['order_id']}", f"{_('status'):<10}{self._standing()}"]
        lines += [f"{_('item'):<10}" + _("{quantity} × {sku} at {price}", **item) for item in self["items"]]
        lines += [f"{_('total'):<10}{self['total']} {self['currency']}"]
        lines += [f"{_('customer'):<10}" + "{name} <{email}>".format(**self["customer"])]
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


def _write(file: str | Path, trace: dict[str, Any]) -> Path:
    path = Path(file)
    path.write_text(json.dumps(trace, ensure_ascii=False, default=str), encoding="utf-8")
    return path
