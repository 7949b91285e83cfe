"""`Lab`: the running lab from a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from orderlab import tokens
from orderlab.access.attach import attach
from orderlab.access.shown import Answer, Token
from orderlab.calls.checking import checked, public
from orderlab.calls.kinds import OrderId
from orderlab.client import OrdersClient
from orderlab.drawing.drawing import Drawing
from orderlab.errors import LabError
from orderlab.lab import topics
from orderlab.lab.order import Order
from orderlab.lab.portal import RECORDED, Portal, order_body, post
from orderlab.lab.reading import Reading, events_frame
from orderlab.language import N_, _, current, default, using
from orderlab.nearest import instead
from orderlab.order import PAYMENT_TOKENS
from orderlab.shapes import EventRow
from orderlab.trace import new_traceparent

if TYPE_CHECKING:
    import pandas as pd

    from orderlab.access.broker import Tap
    from orderlab.access.consumer import Consumer
    from orderlab.drawing.grid import Grid
    from orderlab.drawing.score import Score
    from orderlab.drawing.timeline import Timeline
    from orderlab.faults.script import Planned
    from orderlab.lab.compare import Comparison
    from orderlab.lab.dead import Dead
    from orderlab.lab.faults import Faults
    from orderlab.lab.own import Used
    from orderlab.lab.processes import Processes
    from orderlab.stepping.stepping import SteppingRun
    from orderlab.verdicts.judge import Judge
    from orderlab.verdicts.verdict import Verdict

T = TypeVar("T")


@public
class Lab:
    """The running lab. `Lab()` finds it; `./lab up` starts it. Everything here goes through the lab's own front doors:
    its HTTP API, its portal, its database, its broker. `lab.help()` says what it can do.

    The same keyword means the same everywhere: `order_id` is an order's id, or anything that has one; `items` is
    {sku: quantity}; `payment_token` is one of the test cards' tokens; `customer` is {name, email}; `design` is
    "default", "no-outbox", "no-idempotent-consumer" or "as-drawn"; `step` is a number (9), a label ("15c") or a name;
    `side` is "before" or "after" a step; `attempt` is which delivery of a message; `patience` and `timeout` are
    seconds.
    """

    @checked
    def __init__(self, home: str | Path | None = None, language: str | None = None) -> None:
        """Attach to the lab in `home`, else the one that is found; raise `NoLab` if there is none.

        `language` is "en" or "es": what this lab says, and draws, is in it. Without it, ORDERLAB_LANGUAGE decides, and
        else it is English. What no lab says, such as an error of `crash(…)`, is in the language of the latest one.
        """
        if language:
            default(language)
        self._language = language or current()
        with using(self._language):
            self._lab = attach(home)
        self.client = OrdersClient(self._lab.api_url)
        self.api_url = self._lab.api_url
        self.portal_url = self._lab.portal_url
        self._http = httpx.Client(base_url=self._lab.api_url, timeout=30, trust_env=False)
        self._reading = Reading(self.client)
        self._last = ""  # the id of the order that was placed here last

    # the parts

    @cached_property
    def faults(self) -> Faults:
        """Break the lab on purpose, at any arrow, for the orders you choose."""
        from orderlab.lab.faults import Faults

        return Faults(self._lab.database_url)

    @cached_property
    def processes(self) -> Processes:
        """Kill, stop and freeze whole programs, servers too, and bring them back."""
        from orderlab.lab.processes import Processes

        return Processes(self._lab)

    @cached_property
    def dead(self) -> Dead:
        """Messages that could not be processed: list them, look at one, send them back."""
        from orderlab.lab.dead import Dead

        return Dead(self._lab.amqp_url)

    # placing orders

    def new_id(self, name: str = "ws") -> str:
        """An order id that nobody has used: `name` and six random digits. Choosing the id is the client's business."""
        return f"{name}-{token_hex(3)}"

    def portal(self, order_id: OrderId | None = None) -> Portal:
        """Play the portal for one order, one arrow per call."""
        self._last = order_id = order_id or self.new_id()
        return Portal(self.client, order_id, self._reading.answered)

    def create_order(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
        design: str = "default",
    ) -> Order:
        """Steps 1 to 11 in one call, as the portal does them: the order. Raises `ApiProblem` if the API refuses."""
        portal = self.portal(order_id)
        portal.click_create_order()
        portal.request_demo_token()
        order = self._order(portal.post_order(items, payment_token, customer, design).body)
        portal.show_confirmation()
        return order

    def login(self) -> Token:
        """A token from GET /login-demo."""
        return Token(self.client.login(new_traceparent()))

    def forge(
        self,
        *,
        expires_in: int = 3600,
        audience: str = tokens.AUDIENCE,
        issuer: str = tokens.ISSUER,
        scope: str = f"{tokens.READ} {tokens.WRITE}",
        algorithm: str = tokens.ALGORITHM,
        key: str | None = None,
    ) -> Token:
        """A token of your own making, to see what the API does with it; signed with the API's key unless one is given.

        `expires_in` is in seconds, and may be negative; `algorithm` "none" leaves the signature out.
        """
        from orderlab.lab import forging

        claims = {"audience": audience, "issuer": issuer, "scope": scope, "algorithm": algorithm}
        return forging.forge(self._lab.jwt_secret, expires_in=expires_in, key=key, **claims)

    def post_order(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
        design: str = "default",
        *,
        token: Token | str | None = None,
        body: Any = None,
    ) -> Answer:
        """POST /orders alone (4), and the answer whatever it is. A `body` of your own takes the place of the fields.

        `token`: None is a fresh one, "" sends none.
        """
        token = self.login() if token is None else token
        if body is None:
            body = order_body(order_id or self.new_id(), items, payment_token, customer, design)
        answer, trace = post(self._http, body, token.text if isinstance(token, Token) else token)
        if answer.status in RECORDED and isinstance(body, dict):
            self._last = str(body.get("order_id"))
            self._reading.answered[self._last].add(trace)
        return answer

    def at_once(self, times: int, call: Callable[..., T], *arguments: Any, **named: Any) -> list[T]:
        """Make one call so many times at the same moment, each in a thread of its own; the results."""
        from orderlab.lab.at_once import at_once

        return at_once(times, call, arguments, named)

    # following an order

    @property
    def last(self) -> Order:
        """The order that this notebook placed last; the lab's newest one where it has placed none."""
        if self._last:
            return self.order(self._last)
        newest = self._reading.orders(limit=1)
        if not newest:
            raise LabError(_("There is no order yet. lab.create_order() places one."))
        return self.order(newest[0]["order_id"])

    def order(self, order_id: OrderId) -> Order:
        """The order as the API tells it now."""
        return self._order(self._reading.order(order_id))

    def orders(self, limit: int = 20) -> pd.DataFrame:
        """The latest orders, newest first.

        Columns: `order_id`, `status`, `rejection_reason` (None, or why), `total` (text, exact), `currency`,
        `created_at`.
        """
        import pandas as pd

        columns = ["order_id", "status", "rejection_reason", "total", "currency", "created_at"]
        return pd.DataFrame(self._reading.orders(limit), columns=columns)

    def wait(self, order_id: OrderId, timeout: float = 30) -> Order:
        """Wait until the order has come to its end: final status, message acked, both webhooks recorded, and every
        POST of it that was answered to this notebook.

        Raises `LabError` that says what is missing after `timeout` seconds.
        """
        return self._order(self._reading.wait(order_id, timeout))

    def journal(self, order_id: OrderId) -> list[EventRow]:
        """The order's events in reading order, as the API gives them."""
        return self._reading.events(order_id)["events"]

    def events(self, order_id: OrderId) -> pd.DataFrame:
        """The order's events as a DataFrame, in reading order.

        Columns: `step` (its label), `name`, `outcome`, `lane` (who performed it), `attempt` (which delivery), `began`
        (milliseconds since the first event), `took` (milliseconds), `trace_id`, and `data` (a dict of what is known
        besides).
        """
        return events_frame(self.journal(order_id))

    def sequence(self, order_id: OrderId) -> Drawing:
        """What happened to the order, as the diagram draws it."""
        state = self._reading.events(order_id)
        return Drawing.of(state["events"], title=f"{order_id} · {state['status']}", firings=state["firings"])

    def timeline(self, order_id: OrderId) -> Timeline:
        """What happened to the order, as bars over time."""
        from orderlab.drawing.timeline import Timeline

        state = self._reading.events(order_id)
        return Timeline(state["events"], f"{order_id} · {state['status']}", state["firings"])

    def save(self, order_id: OrderId, file: str | Path) -> Path:
        """Write an order's run into one file, which `Run.open` shows with no lab: its events, and its tables now."""
        from orderlab.stepping.saving import save

        return save(self._lab, order_id, file)

    def diagram(self) -> Drawing:
        """The nineteen arrows as drawn, before anything has run."""
        return Drawing.expected()

    # arrow by arrow, and side by side

    def step_through(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
        design: str = "default",
        patience: float = 20.0,
    ) -> SteppingRun:
        """Have the portal's button pressed for an order that halts at every arrow: `run.next()` goes on by one.

        An order that is halted already is taken up where it stands, as it is.
        """
        from orderlab.stepping.stepping import begin

        self._last = order_id = order_id or self.new_id()
        return begin(self._lab, order_id, items, payment_token, customer, design, patience)

    def compare(
        self,
        script: Planned | Iterable[Planned] = (),
        designs: Sequence[str] = ("as-drawn", "default"),
        name: str = "ws",
        *,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
    ) -> Comparison:
        """Run one script of faults (`from orderlab import crash, drop, …`) on an order of each design, and show them
        side by side.

        The orders go through the real portal, one after the other, and their ids begin with `name`. Waits until nothing
        more comes. Raises `ImpossibleFault` if a fault can't fire, `LabError` for an order that the form or the API
        refuses though nothing was broken.
        """
        from orderlab.access.button import Wanted
        from orderlab.lab.compare import compare

        chosen = {"items": items, "customer": customer, "payment_token": payment_token}
        alike = Wanted(name, **{key: value for key, value in chosen.items() if value is not None})  # type: ignore[arg-type]
        return compare(self._lab, self._judge, self._reading.events, script, designs, name, alike)

    # what it amounts to

    def verdict(self, order_id: OrderId, patience: float = 30) -> Verdict:
        """What the order's end state amounts to, and the events that show it. Waits until nothing is left that could
        move it; what has not happened after `patience` seconds is stuck. Raises `LabError` where nothing is known of
        such an order.
        """
        from orderlab.lab.judging import verdict

        return verdict(self._judge, order_id, bool(self._reading.answered[order_id]), patience)

    def verdicts(self, order_ids: Sequence[OrderId] | str = "*", patience: float = 30) -> pd.DataFrame:
        """The verdict on each of some orders, oldest first: a list of them, or a shell-style pattern such as "ws-*".

        Columns: `order_id`, `status`, `verdict` (correct, stuck, oversold, lost or duplicated), and the `reason`.
        """
        from orderlab.lab.judging import verdicts

        return verdicts(self._judge, order_ids, patience)

    def matrix(
        self,
        kind: str = "crash",
        steps: Iterable[int | str] = (),
        designs: Sequence[str] = (),
        side: str | None = None,
        *,
        worker: str | Path | None = None,
        fresh: bool = False,
        everything: bool = False,
    ) -> Grid | Score:
        """Run cells of a matrix here and now, and draw what came; all of them, for minutes, with `everything=True`.

        `kind` is crash, fail, drop, duplicate, rabbitmq or postgresql. With `worker`, a file of yours does the worker's
        part: its score, in all cells if no steps are named; it goes on from where it was interrupted unless `fresh`.
        Nobody else may place orders meanwhile. Raises `MatrixError` if a cell can't be run.
        """
        if worker is not None:
            from orderlab.lab import own

            return own.score(self._lab, self._home("broken"), self._judge, worker, kind, steps, side, fresh)
        from orderlab.lab import matrices

        return matrices.run(self._lab, kind, steps, designs, side, everything)

    def predicted_matrix(self, kind: str = "crash") -> Grid:
        """What was predicted of each cell before any was run."""
        from orderlab.drawing.grid import Grid

        return Grid.expected(kind)

    def measured_matrix(self, kind: str = "crash") -> Grid:
        """What each cell came to in the full run that came with this version (docs/matrix.md)."""
        from orderlab.lab import matrices

        return matrices.measured(kind)

    # code of your own

    def use(
        self,
        worker: str | Path | None = "",
        relay: str | Path | None = "",
        notifier: str | Path | None = "",
    ) -> Used:
        """Run a file of yours as the worker (the relay, the notifier), in a process of its own; None puts the lab's
        back. One order is sent through it, and what became of it is told. `./lab up` begins with the lab's own.

        Raises `NotUsed`, which names the line, for a file that can't be used: the lab's own does the work then.
        """
        from orderlab.lab import own

        return own.use(self, self._home("changed"), {"worker": worker, "relay": relay, "notifier": notifier})

    @property
    def own(self) -> dict[str, str]:
        """The files of yours that are in use, by program."""
        from orderlab.stack import own

        return own.in_use(self._home("changed"))

    def consume(self, handler: Callable[..., Any], exchange: str, ack: str = "after") -> Consumer:
        """Have a function called with each message that comes to this exchange from now on: one more consumer, with a
        queue of its own. `ack` is "after" the function has returned, "before" it is called, or "never". It ends with
        `close()`, at the end of a `with` block, or with the kernel.
        """
        from orderlab.access.consumer import Consumer

        return Consumer(self._lab.amqp_url, handler, exchange, ack)

    # behind the front door

    def table(self, name: str, order_id: OrderId | None = None, limit: int = 100) -> pd.DataFrame:
        """The last rows of a table in PostgreSQL, oldest first; only those of an order if one is given.

        The columns are the table's own; docs/glossary.md says what each table is for.
        """
        from orderlab.access.tables import read_table

        return read_table(self._lab.database_url, name, order_id, limit)

    def queues(self) -> dict[str, int]:
        """How many messages wait in each queue of RabbitMQ."""
        from orderlab.access.broker import depths

        return depths(self._lab.amqp_url)

    def tap(self, exchange: str) -> Tap:
        """A queue of your own on a fanout exchange: it sees a copy of each message from now on."""
        from orderlab.access.broker import Tap

        return Tap(self._lab.amqp_url, exchange)

    def catalogue(self) -> pd.DataFrame:
        """What is for sale. Columns: `sku`, `name`, `price` (text, exact), `currency`, `available` (pieces)."""
        import pandas as pd

        return pd.DataFrame(self.client.catalogue())

    def reserved(self, sku: str) -> int:
        """How many of a product are set aside for orders."""
        products = self.table("products").set_index("sku")
        if sku not in products.index:
            raise LabError(
                _(
                    "There is no product {sku!r}.{hint}",
                    sku=sku,
                    hint=instead(sku, products.index, N_("The products are")),
                )
            )
        return int(products.reserved[sku])

    def restock(self, sku: str, quantity: int = 1) -> int:
        """Put so many more of a product on the shelf; how many can be ordered now."""
        from orderlab.access.tables import restock

        return restock(self._lab.database_url, sku, quantity)

    def scale(
        self,
        worker: int | None = None,
        relay: int | None = None,
        notifier: int | None = None,
        orders_api: int | None = None,
    ) -> None:
        """Have so many processes of a service, now and from now on; those that are not named stay as they are."""
        from orderlab import stack

        numbers = {"worker": worker, "relay": relay, "notifier": notifier, "orders-api": orders_api}
        wanted = {service: number for service, number in numbers.items() if number is not None}
        if not wanted:
            raise LabError(_("Say how many of what: lab.scale(worker=3)."))
        stack.scale(self._home(N_("scaled")), wanted)

    def reset(self, *, everything: bool = False) -> None:
        """Empty the lab as `./lab reset` does: every order goes, everybody's, and the shop is restocked."""
        from orderlab import stack

        home = self._home(N_("emptied"))
        if not everything:
            raise LabError(_("Every order would go, everybody's. If that is meant, say lab.reset(everything=True)."))
        self._last = ""
        stack.reset(home)

    def help(self, about: str | None = None) -> None:
        """What the lab can do, one line per topic; or how one of these is called: `lab.help("compare")`."""
        print(topics.help(type(self), about))

    # what stands where `lab` is alone in a cell

    def __repr__(self) -> str:
        return f"Lab(api={self.api_url}, portal={self.portal_url})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("\n".join([repr(self), *self._shop(), *topics.lines(type(self))]))

    def _repr_html_(self) -> str:
        links = {"portal": self.portal_url, "inbox": f"{self.portal_url}/inbox", "API": f"{self.api_url}/openapi.json"}
        return topics.html(links, [*self._shop(), *topics.lines(type(self))])

    def __dir__(self) -> list[str]:
        """For the tab key: what is public."""
        return [name for name in super().__dir__() if not name.startswith("_")]

    def _shop(self) -> list[str]:
        """Products and payment tokens."""
        skus = [product["sku"] for product in self.client.catalogue()]
        return [f"{'products':<12}{', '.join(skus)}", f"{'payment':<12}{', '.join(PAYMENT_TOKENS)}"]

    def _home(self, done: str) -> Path:
        if self._lab.home is None:
            raise LabError(
                _("This lab was not brought up by ./lab up here, so it can't be {done} from a notebook.", done=_(done))
            )
        return self._lab.home

    @cached_property
    def _judge(self) -> Judge:
        from orderlab.stack import Home
        from orderlab.verdicts.judge import Judge

        inbox = Home(self._lab.home).inbox if self._lab.home else None
        return Judge(self._lab.database_url, self._lab.amqp_url, inbox)

    def _order(self, state: Mapping[str, Any]) -> Order:
        """The order, which asks this lab when it is asked."""
        order = Order(state)
        order._of = self
        return order
