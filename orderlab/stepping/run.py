"""A run that is looked at arrow by arrow, forwards and back. What a live run adds is in stepping.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orderlab.calls.checking import public
from orderlab.drawing.drawing import Drawing
from orderlab.errors import LabError
from orderlab.faults.model import AFTER, BEFORE
from orderlab.language import N_, _
from orderlab.sequence import find_step
from orderlab.stepping import capsule
from orderlab.stepping.moment import Moment, names

_BACK = N_("run.back() looks at earlier arrows again.")


@public
class Run:
    """The moments of one order. `Run.open(file)` has them from a file, and needs no lab."""

    def __init__(
        self,
        order_id: str,
        moments: Iterable[Moment] = (),
        faults: Sequence[Mapping[str, Any]] = (),
        firings: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.order_id = order_id
        self.moments = list(moments)
        self.faults: list[Mapping[str, Any]] = list(faults)
        self.firings: list[Mapping[str, Any]] = list(firings)
        self._at = -1
        self._over = ""  # why there is no more to come, if the order is not at its end

    @classmethod
    def open(cls, file: str | Path) -> Run:
        """The run in a capsule that `save` has written; raise `LabError` if it is none."""
        told = capsule.read(file)
        moments = [Moment.from_json(moment) for moment in told["moments"]]
        return Run(told["order_id"], moments, told["faults"], told["firings"])

    def save(self, file: str | Path) -> Path:
        """Write what was seen so far, and the faults, into one file."""
        return capsule.write(file, self.order_id, self.moments, self.faults, self.firings)

    def next(self) -> Moment:
        """The next arrow. After `back` it is looked at again, and nothing moves until all was seen again."""
        if self._at == len(self.moments) - 1:
            moment = self._more()
            if moment is None:
                raise LabError(
                    self._over or _("{order_id} has come to its end. {back}", order_id=self.order_id, back=_(_BACK))
                )
            self.moments.append(moment)
        self._at += 1
        return self.moments[self._at]

    def back(self, step: int | str | None = None) -> Moment:
        """Look at the arrow before this one again, or at an earlier one (a number, a label or a name).

        What has happened stays so: time does not run backwards.
        """
        called = _called(step) if step is not None else None
        for at in range(self._at - 1, -1, -1):
            if called is None or self._shows(self.moments[at], called):
                self._at = at
                return self.moments[at]
        raise LabError(
            _("There is no earlier arrow {called} to look at.", called=called)
            if called
            else _("There is no earlier arrow.")
        )

    def until(self, step: int | str, side: str = AFTER) -> Moment:
        """Go on until this arrow (a number, a label such as "15c", or a name) has happened, or is about to."""
        called = _called(step)
        if side not in (BEFORE, AFTER):
            raise LabError(
                _(
                    "An order is halted {before!r} or {after!r} a step, and not {side!r}.",
                    before=BEFORE,
                    after=AFTER,
                    side=side,
                )
            )
        before = find_step(step).label if side == BEFORE else ""
        if self._at >= 0 and (self.now.before == before if before else self._shows(self.now, called)):
            if not self._may_come_again():
                return self.now
        elif not self._lies_ahead(called, before) and not self._may_come_again():
            shown = [moment for moment in self.moments[: self._at + 1] if self._shows(moment, called)]
            if shown:
                raise LabError(
                    _("{called} has happened already. run.back({step!r}) looks at it again.", called=called, step=step)
                )
        while True:
            moment = self._next_towards(before)
            if moment.before == before if before else self._shows(moment, called):
                return moment
            if moment.ended or (moment.idle and self._at == len(self.moments) - 1):
                raise LabError(
                    _(
                        "{order_id} has not come to {called}. {why}",
                        order_id=self.order_id,
                        called=called,
                        why=" ".join(moment.said),
                    )
                )

    def finish(self) -> Moment:
        """Let the order go on by itself, and look at the end; or, when nothing comes any more, at what is missing."""
        while moment := self._more():
            self.moments += [*self._gone_by(), moment]
            if moment.idle or moment.ended:
                break
        if not self.moments:
            raise LabError(_("There is nothing in this run."))
        self._at = len(self.moments) - 1
        return self.moments[-1]

    @property
    def now(self) -> Moment:
        """The moment that is looked at."""
        if self._at < 0:
            raise LabError(_("Nothing was looked at yet. run.next() shows the first arrow."))
        return self.moments[self._at]

    def sequence(self) -> Drawing:
        """The diagram of all that was seen so far."""
        if not self.moments:
            return Drawing.of([], title=self.order_id)
        last = self.moments[-1]
        return Drawing.of(last.events, title=self.order_id, firings=last.firings)

    def __repr__(self) -> str:
        if not self.moments:
            return _("{order_id}, about to begin", order_id=self.order_id)
        place = self.moments[max(self._at, 0)].title
        return _(
            "{order_id}, {n} moments seen, looking at: {place}",
            order_id=self.order_id,
            n=len(self.moments),
            place=place,
        )

    def _next_towards(self, before: str) -> Moment:
        """The next moment, where a step that one wants to be halted before may be named."""
        return self.next()

    def _lies_ahead(self, called: str, before: str) -> bool:
        """Whether it was seen already, and lies ahead of what is looked at."""
        ahead = self.moments[self._at + 1 :]
        return any(moment.before == before if before else self._shows(moment, called) for moment in ahead)

    def _may_come_again(self) -> bool:
        """Whether an arrow that was shown can come a second time. All that a run from a file has is there."""
        return False

    def _gone_by(self) -> list[Moment]:
        """Arrows that nobody has looked at before the newest moment came."""
        return []

    def _more(self) -> Moment | None:
        """A moment that was not seen yet; None at the end. A run from a file has no more."""
        return None

    @staticmethod
    def _shows(moment: Moment, called: str) -> bool:
        return any(called in names(event) for event in moment.news)


def _called(step: int | str) -> str:
    """A step's name if that is what it was asked for by, else its label; raise `LabError` if there is none."""
    try:
        wanted = find_step(step)
    except KeyError as error:
        raise LabError(str(error.args[0])) from None
    return wanted.name if str(step) == wanted.name else wanted.label
