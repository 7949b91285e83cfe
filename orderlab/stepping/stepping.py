"""`lab.step_through()`: an order that halts at every gate, in the real services, and goes on an arrow at a time.

The order is shown as the diagram stands: the request to its end (10, 11), then the worker's delivery (12 to 19), then
the webhooks (18a, 18b), though all of them are under way at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from orderlab.access.attach import Attached
from orderlab.access.button import Pressed, Wanted, press
from orderlab.access.tables import answering, connected
from orderlab.calls.checking import public
from orderlab.calls.interrupts import held_back
from orderlab.errors import LabError
from orderlab.faults import arming
from orderlab.faults.model import AFTER, BEFORE, PROCESS, Kind
from orderlab.faults.script import Planned, as_script
from orderlab.language import N_, _
from orderlab.order import DEMO_CUSTOMER, DEMO_ITEMS, DESIGNS, Design, Status
from orderlab.sequence import Outcome, find_step, still_to_come
from orderlab.stepping import strands, watch
from orderlab.stepping.course import Course
from orderlab.stepping.moment import Moment, passed
from orderlab.stepping.run import _BACK, Run
from orderlab.stepping.watch import Halt, Messages, Watch

PATIENCE = 20.0
"""Seconds after which a run says that nothing comes. A killed service takes a few to be back."""
STALL = 3.0
"""Seconds for which the strand that is shown may be silent before another one is looked at."""
ARRIVES = 1.0
"""Seconds that a message which was published has to reach who waits for it."""
LONGEST = 3600.0
"""Seconds that an order stays halted at one gate, as long as the notebook is there."""

BREATH = 0.25
"""Seconds for which nothing is looked at, not even whether the person has interrupted."""

_WENT_BY = N_("The order went on by itself here: what this arrow has changed was not looked at.")
_WENT_BEFORE = N_("This arrow was there before the order was taken up: what it has changed was not looked at.")
_SETTLES = ("10", "18a", "18b", "19")  # what is written behind these is there before the next arrow is shown


@public
class SteppingRun(Run):
    """A run of a live order. Close it, or let the notebook's kernel end, and the order goes on by itself."""

    def __init__(self, lab: Attached, wanted: Wanted, patience: float, taken_up: bool = False) -> None:
        """`taken_up`: the order is halted already, and is looked at from there; else the button is pressed."""
        super().__init__(wanted.order_id)
        order_id = wanted.order_id
        self._lab, self._wanted, self._patience = lab, wanted, patience
        self._branches = 0
        with answering():
            self._watch = Watch(lab.database_url, order_id, wanted.items)
            self._messages = Messages(lab.amqp_url)
            self._course = Course(self._watch)
            self._tables, self._queues = self._watch.tables(), watch.queues(self._messages.waiting(), [])
        self._halt: Halt | None = None  # where the order stands at the arrow that was shown last
        self._said: list[str] = []
        self._stop_before = ""
        self._done = self._free = False
        self._taken_up = taken_up
        self._passed: list[Moment] = []  # arrows that went by in `finish`
        self._ready: Moment | None = None  # computed, and not handed over because of an interrupt
        self._look: Callable[[], None] = lambda: None  # raises where an interrupt has come
        self._pressed: Pressed | None = None
        self._broke_off = False  # the API or the portal was killed, with whatever it had in hand
        try:
            with answering():
                self._pause = (taken_up and self._watch.take_over(LONGEST)) or self._arm_pause()
                if taken_up:
                    self._take_up()
        except BaseException:
            self._watch.close()
            self._messages.close()
            raise
        if not taken_up:
            threading.Thread(
                target=copy_context().run,
                args=(self._button,),
                name=f"button of {order_id}",
                daemon=True,
            ).start()

    def _arm_pause(self) -> int:
        with connected(self._lab.database_url) as connection:
            return arming.arm(
                connection,
                Kind.PAUSE,
                order_id=self.order_id,
                times=None,
                seconds=LONGEST,
                owner=self._watch.connection.info.backend_pid,
            )

    def _button(self) -> None:
        try:
            self._pressed = press(self._lab.portal_url, self._wanted)
        except LabError as error:
            self._pressed = Pressed(None, False, error.detail)
        with suppress(LabError), connected(self._lab.database_url) as connection:
            connection.execute("SELECT pg_notify('lab_halts', '')")

    def _take_up(self) -> None:
        """Take what has happened for seen, up to the arrow at which the order stands."""
        stands = self._course.take_up(self._watch.halts())
        self.moments = passed(self.order_id, [], self._course.events, _(_WENT_BEFORE))
        self._at = len(self.moments) - 1
        self._said.append(
            _("{order_id} was halted {stands}, and is taken up there.", order_id=self.order_id, stands=stands)
        )

    def __enter__(self) -> SteppingRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the order go on by itself, and look no more."""
        if not self._done:
            self._done = True
            self._over = self._over or _(
                "{order_id} was let go, and goes on by itself. {back}", order_id=self.order_id, back=_(_BACK)
            )
            try:
                self.faults = self._armed()
                self._go_free()
            except psycopg.OperationalError:
                pass  # then it goes on all the same: whoever halted it is gone
            self._watch.close()
            self._messages.close()

    def finish(self) -> Moment:
        """Let the order go on by itself, and look at the end."""
        if not self._done:
            with answering():
                self._go_free()
        return super().finish()

    def save(self, file: str | Path) -> Path:
        """Write what was seen so far, and the faults, into one file."""
        if not self._done:
            self.faults = self._armed()
        return super().save(file)

    def branch(self, script: Planned | Iterable[Planned] = (), design: str = "") -> SteppingRun:
        """Another way from the arrow that is looked at: a new order alike is brought here, with faults ahead of it.

        `script` is one or more faults of `orderlab`; `design` is this order's if none is given. This order
        stays where it is, but a process that dies takes along what it has in hand. Raises `LabError` when something
        broke on the way here, or the new order comes another way.
        """
        planned, way = as_script(script), self.moments[: self._at + 1]
        if any(moment.died or moment.idle or moment.ended for moment in way):
            raise LabError(
                _("This way can't be gone again: something broke on it, or it is at its end. run.back() first.")
            )
        self._branches += 1
        order_id = f"{self.order_id}-{self._branches}"
        alike = replace(self._wanted, order_id=order_id, design=design or self._wanted.design)
        run = SteppingRun(self._lab, alike, self._patience)
        try:
            for moment in way:
                came = run.until(moment.before, BEFORE) if moment.before else run.next()
                if came.arrows != moment.arrows:
                    raise LabError(
                        _(
                            "{order_id} came another way: {came}, and not {before}.",
                            order_id=order_id,
                            came=came.title,
                            before=moment.title,
                        )
                    )
            with connected(self._lab.database_url) as connection:
                for fault in planned:
                    fault.arm(connection, order_id, run._watch.connection.info.backend_pid)
        except BaseException:
            run.close()
            raise
        return run

    # one arrow further

    def _next_towards(self, before: str) -> Moment:
        self._stop_before = before
        try:
            return self.next()
        finally:
            self._stop_before = ""

    def _more(self) -> Moment | None:
        if self._ready is None and not self._done:
            try:
                with held_back(
                    _("Interrupted. {order_id} stays where it is; run.next() goes on.", order_id=self.order_id)
                ) as self._look:
                    if not self._free and not self._watch.owns(self._pause):
                        self._lose(
                            _(
                                "Another notebook has taken {order_id} up, or its faults were cleared.",
                                order_id=self.order_id,
                            )
                        )
                    self._ready = self._advance()
            except psycopg.OperationalError:
                self._lose(
                    _("PostgreSQL has gone away, and this run with it. The order goes on by itself when it is back.")
                )
            if self._ready and self._ready.ended:
                self.close()
                self._over = ""
        come, self._ready = self._ready, None
        return come

    def _lose(self, reason: str) -> NoReturn:
        """End this run, and say why whenever it is asked to go on."""
        self._over = reason
        self.close()
        raise LabError(reason)

    def _gone_by(self) -> list[Moment]:
        gone, self._passed = self._passed, []
        return gone

    def _may_come_again(self) -> bool:
        """Whether something broke, or is to break, so that arrows are gone through a second time."""
        if self._done:
            return False
        with answering():
            broken = self.firings or self._armed() or self._watch.has_fired()
            dead = not all(halt.alive for halt in self._watch.halts())
        ways = {Outcome.FAILED, Outcome.DEFERRED, Outcome.REDELIVERED, Outcome.SECOND_COPY}
        odd = any(event["outcome"] in ways for event in self._course.events)
        return bool(broken) or dead or odd or any(moment.died for moment in self.moments)

    def _advance(self) -> Moment:
        self._look()
        self._let_go()
        end = time.monotonic() + self._patience
        stall = time.monotonic() + STALL
        while True:
            self._look()
            if self._hear():
                return self._moment(died=True)
            page = self._page()  # before the halts: whoever has a page is halted no more
            self._course.answered = page is not None
            halts = self._course.halts()
            halt = self._course.choose(halts, time.monotonic() > stall)
            if halt is not None:
                new = self._course.unseen(halt)
                stop = halt.at(self._stop_before, BEFORE)
                if new or stop:
                    self._halt, self._course.strand = halt, halt.strand
                    return self._moment(new, before=self._stop_before if stop else "")
                self._course.pass_(halt)
                stall = time.monotonic() + STALL
                continue
            if page and (lost := self._refused(page)):
                return self._moment(lost)
            if page and not halts and not self._missing(page):
                return self._ended()
            if time.monotonic() > end:
                return self._in_vain()
            self._watch.wait(min(end, stall, time.monotonic() + BREATH) - time.monotonic())

    def _let_go(self) -> None:
        """Release where the order stands; what is written behind the arrow is awaited, for it belongs to it."""
        halt, self._halt = self._halt, None
        if halt is None:
            return
        self._course.pass_(halt)
        if halt.side == AFTER and halt.step in _SETTLES and halt.process != "relay":
            shown = [strands.key(event) for event in self._course.events if event["label"] == halt.step][-1:]
            end = time.monotonic() + 2
            while not set(shown) <= {strands.key(event) for event in self._watch.journal()}:
                if time.monotonic() > end or self._watch.crashed():
                    break
                self._watch.wait(end - time.monotonic())

    # what is told

    def _hear(self) -> bool:
        """Take in what has fired; whether something was killed by it."""
        killed = False
        for firing in self._watch.firings():
            self.firings.append(firing)
            self._said.append(strands.told(firing))
            if firing["process"] in watch.REQUEST and firing["kind"] in (Kind.CRASH, "kill", "stop"):
                self._course.begun.clear()
                self._broke_off = True
            if firing["kind"] == Kind.CRASH:
                killed = True
                if firing["process"] == "worker":
                    self._course.delivering, self._course.strand = False, "worker"
        return killed

    def _page(self) -> Pressed | None:
        """The page that the person has; not before the answer was shown to leave."""
        if self._taken_up:  # somebody else has it, and that is seen in the journal alone
            answered = any(event["label"] == "10" for event in self._watch.journal())
            held = any(halt.strand == "request" for halt in self._watch.halts() if halt.alive)
            return Pressed(200, True) if answered and not held else None
        there = {event["label"] for event in self._course.events}
        return None if "10" in self._course.begun and "10" not in there else self._pressed

    def _refused(self, page: Pressed) -> list[dict[str, Any]]:
        """When the person got no confirmation: say what the page says, and show the arrow that failed unrecorded."""
        if "request" in self._course.over:
            return []
        self._course.over.add("request")
        if page.shown:
            return []
        told = f": {' '.join(page.told)}" if page.told else "."
        broke_off = _("The portal broke off ({error}).", error=page.error.rstrip("."))
        self._said.append(
            _("The portal's page answers {status}{told}", status=page.status, told=told) if page.status else broke_off
        )
        there = {event["label"] for event in self._course.events}
        lost = [
            step for step in dict.fromkeys(self._course.begun) if step not in there and PROCESS[step] in watch.REQUEST
        ]
        outcome = Outcome.INVALID_TOKEN if page.status == 401 else Outcome.FAILED
        return [watch.performed(find_step(step), outcome=str(outcome)) for step in lost]

    def _moment(
        self, new: Sequence[dict[str, Any]] = (), *, before: str = "", died: bool = False, ended: bool = False
    ) -> Moment:
        self._course.events += new
        trace = next((event["trace_id"] for event in self._course.events if event["trace_id"]), "")
        self._course.events = [{**event, "trace_id": event["trace_id"] or trace} for event in self._course.events]
        arrows = () if ended else tuple(str(event["label"]) for event in new)
        messages = self._carried(new) if arrows else []
        tables, queues = self._watch.tables(), watch.queues(self._messages.waiting(), self._watch.halts())
        if "18" in arrows:
            messages += watch.notifications(tables)
        was, self._tables = self._tables, tables
        were, self._queues = self._queues, queues
        said, self._said = tuple(self._said), []
        claims = next((event["data"].get("claims") for event in new if event["label"] == "3"), None)
        return Moment(
            self.order_id,
            list(self._course.events),
            arrows,
            before,
            said,
            died,
            ended,
            was,
            tables,
            were,
            queues,
            messages,
            claims,
            list(self.firings),
        )

    def _carried(self, new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The messages that these arrows have published; they, and who waits for them, are given time to arrive."""
        published = {str(event["label"]) for event in new if strands.is_out(event)}
        messages: list[dict[str, Any]] = []
        end = time.monotonic() + ARRIVES
        while published & {"9", "17"} and not messages and time.monotonic() < end:
            messages = self._messages.copies(self.order_id)
            if not messages:
                time.sleep(0.01)  # a queue tells nobody
        awaited = ({"12"} if "9" in published else set()) | ({"18a", "18b"} if "18" in published else set())
        if any(event["data"].get("by") == "relay" for event in new):
            awaited = set()
        while not awaited <= {halt.step for halt in self._watch.halts()} and time.monotonic() < end:
            self._watch.wait(end - time.monotonic())
        return messages

    def _ended(self) -> Moment:
        """The end: nothing is under way any more."""
        orders = self._watch.tables()["orders"]
        self._said.append(
            _("{standing}. Nothing is under way any more.", standing=strands.standing(orders[0]))
            if orders
            else _(
                "There is no order {order_id}: nothing was inserted, and nothing is under way.", order_id=self.order_id
            )
        )
        journal = [e for e in self._watch.journal() if not self._course.trace or self._course.is_mine(e)]
        place = {strands.key(event): n for n, event in enumerate(journal)}
        rest = sorted(
            self._course.news(journal), key=lambda event: (event["label"] in ("18a", "18b"), place[strands.key(event)])
        )
        shown = list(self._course.events)
        end = self._moment(rest, ended=True)
        if self._free:
            self._passed = passed(self.order_id, shown, end.events[len(shown) :], _(_WENT_BY))
        return end

    def _missing(self, page: Pressed | None) -> list[str]:
        """What the order has yet to come to, as far as anything is under way for the person who has this page."""
        tables = self._watch.tables()
        if not tables["orders"]:
            return []
        journal = self._watch.journal()
        missing = [] if Status(tables["orders"][0]["status"]).final else ["CONFIRMED or REJECTED"]
        missing += [f"{step.label} ({step.name})" for step in still_to_come(journal) if step.label != "10"]
        answered = page is not None and (page.shown or page.status == 409) and not self._broke_off
        if answered and not any(
            event["label"] == "10" for event in (*self._course.events, *self._course.news(journal))
        ):
            missing.append("10 (respond_created)")
        missing += [_("what the outbox holds")] if any(not row["published"] for row in tables["outbox"]) else []
        pending = [row for row in tables["notifications"] if row["status"] == "pending"]
        return [*missing, _("the webhooks")] if pending else missing

    def _in_vain(self) -> Moment:
        orders = self._watch.tables()["orders"]
        standing = strands.standing(orders[0]) if orders else _("there is no order {order_id}", order_id=self.order_id)
        missing = "; ".join(self._missing(self._page()) or [_("the portal's answer")])
        self._said.append(
            _(
                "Nothing has come for {patience:g} s: {standing}. Still missing: {missing}.",
                patience=self._patience,
                standing=standing,
                missing=missing,
            )
        )
        return self._moment()

    def _armed(self) -> list[Mapping[str, Any]]:
        return strands.meant_for(self.order_id, self._watch.armed(self._pause))

    def _go_free(self) -> None:
        self._free = True
        if self._watch.owns(self._pause):
            arming.clear(self._watch.connection, self._pause)
            for halt in self._watch.halts() if self._taken_up else ():  # by whatever it was halted before
                self._watch.release(halt)
        self._halt = None
        self._course.begun.clear()  # how they end is seen in the journal alone


def begin(
    lab: Attached,
    order_id: str,
    items: Mapping[str, int] | None = None,
    payment_token: str = "tok_ok",
    customer: Mapping[str, str] | None = None,
    design: str = "default",
    patience: float = PATIENCE,
) -> SteppingRun:
    """Have the portal's button pressed for this order, which halts at every gate; or take it up where it is halted.

    Raises `LabError`.
    """
    with connected(lab.database_url) as connection:
        halted = any(row[-1] for row in watch.queries.halted(connection, order_id=order_id))
        row = watch.queries.stands(connection, order_id=order_id) if halted else None
    if row:
        items, payment_token, customer, outbox, consumer = row
        design = next(name for name, known in DESIGNS.items() if known == Design(outbox, consumer))
    wanted = Wanted(order_id, DEMO_ITEMS if items is None else items, payment_token, customer or DEMO_CUSTOMER, design)
    return SteppingRun(lab, wanted, patience, taken_up=halted)
