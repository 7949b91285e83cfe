"""The person's pages: the button, the order, the inbox."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Response, abort, flash, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from orderlab.client import ApiProblem
from orderlab.errors import ApiAway
from orderlab.order import is_order_id
from orderlab.portal import live
from orderlab.portal.forms import ROWS, OrderForm
from orderlab.portal.parts import parts
from orderlab.portal.progress import Progress, follow
from orderlab.sequence import CLICK_CREATE_ORDER, POST_ORDER, REQUEST_DEMO_TOKEN, SHOW_CONFIRMATION
from orderlab.trace import new_traceparent

pages = Blueprint("pages", __name__)


@pages.get("/")
def home() -> ResponseReturnValue:
    """The button, and the orders there are."""
    return _home(OrderForm())


@pages.post("/orders")
def create_order() -> ResponseReturnValue:
    """Steps 1 to 10: take the click, get a token, post the order; then on to its page, which is step 11."""
    form = OrderForm()
    steps = parts().steps(form.order_id.data)
    if not steps(CLICK_CREATE_ORDER, form.validate):
        return _home(form), 422
    traceparent = new_traceparent()
    try:
        token = steps(REQUEST_DEMO_TOKEN, parts().client.login, traceparent, steps.order_id)
        answer = steps(POST_ORDER, parts().client.create_order, form.body(), token, traceparent)
    except ApiAway as away:
        return render_template("away.html", form=form, detail=away.detail), 503
    except ApiProblem as problem:
        return _refused(form, problem)
    parts().reports.hold(steps.order_id, steps.events, token, traceparent)
    if "Idempotent-Replayed" in answer.headers:
        flash(_("This order was there already, with the same content. You see the one that was stored."))
    return redirect(url_for("pages.order", order_id=steps.order_id), 303)


@pages.get("/orders/<order_id>")
def order(order_id: str) -> ResponseReturnValue:
    """The confirmation (step 11, when it is shown for the first time), and how far the order has come."""
    _need_order_id(order_id)
    reports = parts().reports
    show = partial(render_template, "order.html", order=parts().reader.order(order_id), progress=Progress(order_id))
    if (unseen := reports.unseen(order_id)) is None:
        return show()
    number, events = unseen
    steps = parts().steps(order_id, events)
    response = make_response(steps(SHOW_CONFIRMATION, show))
    reports.seen(order_id, number, steps.events)
    response.call_on_close(partial(reports.hand_in, order_id))  # the person does not wait for it
    return response


@pages.get("/orders/<order_id>/stream")
def order_stream(order_id: str) -> ResponseReturnValue:
    """What happens to the order, as it happens."""
    _need_order_id(order_id)
    after = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    newest = int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else 0
    try:
        parts().reader.order(order_id)  # for a browser 404 is the end, and anything but a stream is like it
    except (ApiAway, ApiProblem) as error:
        if not live.comes_back(error):
            raise
        return live.stream(lambda: iter([live.AWAY]))
    return live.stream(partial(follow, order_id, newest))


@pages.get("/orders/<order_id>/sequence.svg")
def sequence(order_id: str) -> ResponseReturnValue:
    """The sequence diagram of what happened; `?compact=1` for a narrow screen."""
    _need_order_id(order_id)
    drawing = Progress(order_id).svg(compact=request.args.get("compact") == "1")
    return Response(drawing, mimetype="image/svg+xml")


@pages.get("/openapi.json", defaults={"name": "openapi"})
@pages.get("/asyncapi.json", defaults={"name": "asyncapi"})
def document(name: str) -> ResponseReturnValue:
    """What the API says of itself; in containers a browser can't ask it under the address that the portal knows."""
    return jsonify(parts().client.document(name))


@pages.get("/inbox")
def inbox() -> ResponseReturnValue:
    """The webhooks that arrived."""
    version = parts().inbox.wait(-1, 0)
    return render_template("inbox.html", received=parts().inbox.newest(), version=version)


@pages.get("/inbox/stream")
def inbox_stream() -> ResponseReturnValue:
    """The webhooks, as they arrive."""

    def arrivals() -> Iterator[str]:
        version = -1
        while True:
            known, version = version, parts().inbox.wait(version, live.HEARTBEAT)
            if version == known:
                yield live.STILL_HERE
            else:
                rows = render_template("_received.html", received=parts().inbox.newest())
                yield live.message({"parts": {"received": rows}})

    return live.stream(arrivals)


def _home(form: OrderForm, problems: list[str] | None = None) -> str:
    return render_template(
        "home.html",
        form=form,
        more=(form.rows[1:] + [("", "0")] * ROWS)[: max(ROWS, len(form.rows)) - 1],
        products=parts().client.catalogue(),
        problems=problems,
        orders=parts().reader.orders(limit=8),
    )


def _refused(form: OrderForm, problem: ApiProblem) -> ResponseReturnValue:
    """Say what the API has against it, beside the field it is about where there is one."""
    if problem.temporary:
        return render_template("away.html", form=form, detail=problem.detail), 503
    return _home(form, form.blame(problem)), problem.status


def _need_order_id(order_id: str) -> None:
    if not is_order_id(order_id):
        abort(404)
