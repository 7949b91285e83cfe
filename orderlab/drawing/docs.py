"""Writes docs/sequence.md and docs/create-order.svg from the diagram's data: `python -m orderlab.drawing.docs`."""

from __future__ import annotations

from pathlib import Path

from orderlab.drawing.drawing import expected_svg
from orderlab.drawing.words import ENGLISH
from orderlab.sequence import (
    CLIENT_STEPS,
    CONFIRM_ORDER,
    OTHER_STEPS,
    PUBLISH_ORDER_CONFIRMED,
    PUBLISH_ORDER_REJECTED,
    REJECT_ORDER,
    STEPS,
    WEBHOOK_FAILED,
    Lane,
    Outcome,
    Step,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"

_ALSO = {CONFIRM_ORDER: REJECT_ORDER, PUBLISH_ORDER_CONFIRMED: PUBLISH_ORDER_REJECTED}

_MEANS = {
    Outcome.OK: "The step did what it says.",
    Outcome.INVALID_TOKEN: "The token is expired, not for this API, or not signed by it: 401; nothing is inserted.",
    Outcome.DUPLICATE: "The id exists with the same content, a retry: 200 with the stored order, nothing done again.",
    Outcome.CONFLICT: "The id exists with other content: 409.",
    Outcome.DEFERRED: "The broker was away. The message waits in the outbox and the relay publishes it later.",
    Outcome.REDELIVERED: "The broker hands the message out again: an earlier attempt never acknowledged it.",
    Outcome.SECOND_COPY: "The message was published twice, and another copy of it had been consumed before.",
    Outcome.OUT_OF_STOCK: "Not enough of something: the order ends REJECTED, and nothing is charged.",
    Outcome.ALREADY_DONE: "An earlier attempt had got this far; nothing is done twice.",
    Outcome.DECLINED: "The payment gateway refused: the reservation is released (15c) and the order ends REJECTED.",
    Outcome.REJECTED: "The order ends REJECTED, with its reason.",
    Outcome.FAILED: "The step raised an error. What is not lost by it is tried again.",
}


def sequence_page() -> str:
    """The text of docs/sequence.md."""
    return "\n".join(
        [
            "<!-- Written by `python -m orderlab.drawing.docs` from orderlab/sequence.py. Change it there. -->",
            "# The sequence: Create Order",
            "",
            "One order, six lanes, nineteen numbered arrows. Services record their steps against this table,",
            "drawings are made from it, and tests check against it.",
            "",
            "![The nineteen arrows of Create Order between six lanes; the table below lists them](create-order.svg)",
            "",
            "## Lanes",
            "",
            *(f"- **{ENGLISH.lanes[lane]}** (`{lane}`): {what}" for lane, what in _LANES.items()),
            "",
            "## The nineteen steps",
            "",
            "| # | name | from → to | says | outcomes other than `ok` |",
            "|--:|---|---|---|---|",
            *(_row(step) for step in STEPS),
            "",
            f"**Note on 5.** It is {ENGLISH.note_on_5.removeprefix('5: ')}",
            "",
            f"Steps {_numbers(CLIENT_STEPS)} happen where there is no database: whoever plays the portal reports them",
            "to the API.",
            "",
            "## Beyond the nineteen, also recorded",
            "",
            "| # | name | from → to | says | outcomes other than `ok` |",
            "|--:|---|---|---|---|",
            *(_row(step) for step in OTHER_STEPS if step.part),
            "",
            f"**Note on 18a and 18b.** {ENGLISH.note_on_18.removeprefix('18a, 18b: ')}",
            "",
            f"A delivery that the notifier has given up is recorded as `{WEBHOOK_FAILED}`, with the reason.",
            "",
            "## Outcomes",
            "",
            "| outcome | means |",
            "|---|---|",
            *(f"| `{outcome}` | {_MEANS[outcome]} |" for outcome in Outcome),
            "",
            "Any step can end as `failed`.",
            "",
        ]
    )


_LANES = {
    Lane.USER: "the person at the portal.",
    Lane.PORTAL: "the page with the button; it has no access to the database.",
    Lane.ORDERS_API: "takes orders over HTTP.",
    Lane.RABBITMQ: "the broker: exchanges and queues.",
    Lane.WORKER: "takes stock and payment, and decides.",
    Lane.POSTGRESQL: "the database: orders, stock, payments, and the journal `order_events`.",
}


def _row(step: Step) -> str:
    other = _ALSO.get(step)
    names = f"`{step.name}`" + (f" / `{other.name}`" if other else "")
    says = step.says + (f" / {other.says.split()[-1]}" if other else "")
    outcomes = dict.fromkeys((*step.outcomes, *(other.outcomes if other else ())))
    return (
        f"| {step.label} | {names} | {step.source} → {step.target} | {says} | {', '.join(f'`{o}`' for o in outcomes)} |"
    )


def _numbers(steps: tuple[Step, ...]) -> str:
    first, last = [str(step.number) for step in steps[:-1]], str(steps[-1].number)
    return f"{', '.join(first)} and {last}"


def pages() -> dict[Path, str]:
    """Every file that is written, and its text."""
    return {DOCS / "sequence.md": sequence_page(), DOCS / "create-order.svg": expected_svg() + "\n"}


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(DOCS.parent)} written")
