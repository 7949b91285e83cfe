"""Code of a student's own in the real lab: used, or refused with the line that is wrong; the lab stays healthy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from kombu import Connection

from orderlab import Lab, cli, dead_letters, stack, topology
from orderlab.messages import ORDER_CREATED, Message
from orderlab.stack.candidate import NotUsed
from orderlab.trace import new_traceparent
from tests.support import RunningLab

WORKERS = Path(__file__).parents[1] / "worker"
GOOD = (WORKERS / "stage5_compensation.py").read_text()
METHOD = "        step, message = delivery.step, delivery.message\n"


def in_method(*lines: str) -> str:
    """The good worker, with these lines at the beginning of its method."""
    return GOOD.replace(METHOD, "".join(f"        {line}\n" for line in lines) + METHOD)


def at_import(*lines: str) -> str:
    """The good worker, with these lines at its end."""
    return GOOD + "\n\n" + "\n".join(lines) + "\n"


REFUSED = {
    "syntax error": (GOOD.replace("delivery):", "delivery)", 1), "SyntaxError: expected ':'", "def process_order"),
    "wrong import": (
        at_import("import stripe_payments"),
        "No module named 'stripe_payments'",
        "import stripe_payments",
    ),
    "what is not for it": (
        at_import("from orderlab.store import Store"),
        "imports orderlab.build, and not orderlab.store",
        "from orderlab.store",
    ),
    "no such queue": (
        GOOD.replace("orders.created.worker", "orders.create.worker"),
        "There is no queue 'orders.create.worker'. Did you mean 'orders.created.worker'?",
        "@deliver(",
    ),
    "another's queue": (
        GOOD.replace("orders.created.worker", "notifications.customer"),
        "It takes notifications.customer, and the worker takes orders.created.worker.",
        "@deliver(",
    ),
    "no name": (GOOD.replace('name = "worker"', 'name = "walker"'), "Its name is 'walker'", "class Worker"),
    "endless loop at import": (at_import("while True:", "    pass"), "this does not come to an end", ""),
    "endless loop": (in_method("while True:", "    pass"), "this line has not let go", ""),
    "sleeps for ever": (in_method("import time", "time.sleep(1000)"), "this line has not let go", "time.sleep(1000)"),
    "crashes Python": (in_method("import ctypes", "ctypes.string_at(0)"), "process ended", "ctypes.string_at(0)"),
    "too much memory at import": (at_import("much = 'x' * (2 * 1024**3)"), "MemoryError: a program of your", "much ="),
    "ends itself": (at_import("raise SystemExit"), "The program ends itself here.", "raise SystemExit"),
}
"""What can't be used: the file, what is said of it, and the line that is named."""

FAULTY = {
    "never acks": (GOOD.replace('worker")', 'worker", ack="never")', 1), "was never acknowledged (19)"),
    "acks first": (GOOD.replace('worker")', 'worker", ack="before")', 1), "before the work was done (16)"),
    "raises always": (in_method("raise RuntimeError('no')"), "RuntimeError: no\n    raise RuntimeError('no')"),
    "wants a secret": (
        in_method("import os", "print(os.environ['ORDERLAB_JWT_SECRET'])"),
        "ORDERLAB_JWT_SECRET is not told to this program",
    ),
    "reads the lab's files": (
        in_method("print(open(HOME + '/secrets.json').read())").replace("HOME", "{home!r}"),
        "The lab's own files are not for a program of yours.",
    ),
    "forks": (in_method("import os", "while True:", "    os.fork()"), "one process: it can't start another"),
    "2 GB of memory": (in_method("self.much = bytearray(2 * 1024**3)"), "MemoryError: a program of your own has 1 GiB"),
}
"""Healthy programs, of which one order shows what is wrong with them."""


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Iterator[Lab]:
    notebook = Lab(lab.home)
    yield notebook
    notebook.use(worker=None, relay=None, notifier=None)
    stack.reset(lab.home)


def healthy(lab: RunningLab) -> None:
    """The lab's own worker takes an order to its end."""
    status = stack.status(lab.home)
    assert status.ready, status.reasons
    assert dict(status.own) == {}
    assert set(lab.settled([lab.place()]).values()) == {"CONFIRMED"}
    environment = psutil.Process(status.services["worker"].pids[0]).cmdline()
    assert environment[-1] == "worker"


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cant_be_used_is_told_with_its_line_and_the_labs_own_worker_goes_on(
    lab: RunningLab, notebook: Lab, tmp_path: Path, what: str
) -> None:
    source, said, line = REFUSED[what]
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(NotUsed) as refused:
        notebook.use(worker=file)
    told = str(refused.value)
    assert said in told
    assert told.startswith("mine.py, line ")
    assert len(told.splitlines()) <= 3
    assert "orderlab/" not in told
    assert "The lab's own worker" in told.splitlines()[-1]
    number = refused.value.trouble.line
    assert number is not None
    assert source.splitlines()[number - 1].strip().startswith(line)
    healthy(lab)


@pytest.mark.parametrize("what", FAULTY)
def test_one_order_shows_what_is_wrong_with_a_healthy_program(
    lab: RunningLab, notebook: Lab, tmp_path: Path, what: str
) -> None:
    source, said = FAULTY[what]
    file = tmp_path / "mine.py"
    file.write_text(source.replace("{home!r}", repr(str(lab.home))))
    used = notebook.use(worker=file)
    assert str(used).startswith("mine.py is the worker now.\n")
    assert said in str(used)
    assert notebook.own == {"worker": str(file)}
    assert str(notebook.use(worker=None)) == "The lab's own worker is back."
    healthy(lab)


def test_a_good_file_is_the_worker_until_the_labs_own_is_put_back(lab: RunningLab, notebook: Lab) -> None:
    file = WORKERS / "stage5_compensation.py"
    used = notebook.use(worker=file)
    assert str(used).splitlines() == [
        "stage5_compensation.py is the worker now.",
        "The probe order is CONFIRMED, and its message acknowledged (19).",
    ]
    ids = [lab.place() for _ in range(5)]
    ids += [lab.place(payment_token="tok_declined"), lab.place(items=[{"sku": "SOLD-OUT", "quantity": 1}])]
    statuses = lab.settled(ids)
    assert sorted(statuses.values()) == ["CONFIRMED"] * 5 + ["REJECTED"] * 2
    lab.check_books(ids)
    whole = [event["label"] for event in lab.complete(ids[0])]
    assert {"12", "13", "14", "15", "16", "17", "18", "19"} <= set(whole)
    notebook.use(worker=None)
    healthy(lab)


def test_a_poison_message_is_dead_with_the_reason_that_the_code_gives(lab: RunningLab, notebook: Lab) -> None:
    notebook.use(worker=WORKERS / "stage5_compensation.py")
    body, headers = Message(ORDER_CREATED, "/test", "no-such-order", {}, new_traceparent()).to_amqp()
    with Connection(lab.amqp_url) as connection:
        connection.Producer().publish(
            body,
            routing_key=topology.WORKER_QUEUE.name,
            headers=headers,
            content_type="application/json",
            content_encoding="utf-8",
        )

    def dead() -> list[str]:
        return [each.reason for each in dead_letters.read(lab.amqp_url) if each.order_id == "no-such-order"]

    assert lab.wait_for(dead, "the dead letter") == ["There is no order no-such-order."]
    notebook.use(worker=None)


def test_gates_fire_in_a_file_of_ones_own(lab: RunningLab, notebook: Lab) -> None:
    notebook.use(worker=WORKERS / "stage5_compensation.py")
    order_id = notebook.new_id()
    notebook.faults.crash(15, "after", order_id=order_id)
    notebook.create_order(order_id)
    assert notebook.wait(order_id)["status"] == "CONFIRMED"
    assert list(notebook.faults.firings(order_id).kind) == ["crash"]
    assert lab.value("SELECT count(*) FROM payments WHERE order_id = %s", order_id) == 1
    notebook.use(worker=None)


def test_a_program_of_ones_own_is_told_its_own_addresses_and_no_other_secret(lab: RunningLab, notebook: Lab) -> None:
    notebook.use(worker=WORKERS / "stage1_naive.py")
    (pid,) = stack.pids(lab.home, "worker")
    told = psutil.Process(pid).environ()
    assert {name for name in told if name.startswith("ORDERLAB_")} <= {
        "ORDERLAB_DATABASE_URL",
        "ORDERLAB_AMQP_URL",
        "ORDERLAB_SUPERVISED",
        "ORDERLAB_TEST_RUN",
    }
    others = [value for name, value in lab.secrets.items() if name not in ("database:worker", "rabbitmq", "lab")]
    assert not any(secret in value for secret in others for value in told.values())
    notebook.use(worker=None)


@pytest.mark.parametrize(
    ("program", "said"),
    [("relay", "published by it (9)"), ("notifier", "webhooks were delivered (18a, 18b)")],
)
def test_the_relay_and_the_notifier_can_be_ones_own(lab: RunningLab, notebook: Lab, program: str, said: str) -> None:
    used = notebook.use(**{program: WORKERS / f"{program}_yours.py"})
    assert said in str(used)
    notebook.use(**{program: None})
    healthy(lab)


def test_in_a_terminal_too(lab: RunningLab, notebook: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERLAB_HOME", str(lab.home))
    run = CliRunner().invoke
    ran = run(cli.main, ["use", f"worker={WORKERS / 'stage2_key.py'}"])
    assert "stage2_key.py is the worker now." in ran.output
    assert "stage2_key.py" in run(cli.main, ["use"]).output
    assert run(cli.main, ["use", "worker="]).output == "The lab's own worker is back.\n"
    assert run(cli.main, ["use"]).output == "The lab's own programs are in use.\n"
    wrong = run(cli.main, ["use", "portal=x.py"])
    assert wrong.exit_code == 2
    assert "worker, relay, notifier" in wrong.output


def test_a_function_is_one_more_consumer_of_an_exchange(lab: RunningLab, notebook: Lab) -> None:
    seen: list[str] = []
    with notebook.consume(lambda copy: seen.append(copy.order_id), "orders.confirmed") as consumer:
        order_id = lab.place()
        lab.wait_for(lambda: order_id in seen, "the message at the function")
        assert consumer.errors == []
    after = lab.place()
    lab.complete(after)
    assert after not in seen


def test_a_function_that_raises_gets_its_message_three_times_and_one_that_acked_first_once(
    lab: RunningLab, notebook: Lab
) -> None:
    calls: dict[str, list[str]] = {"after": [], "before": [], "never": []}

    def handler(ack: str) -> object:
        def handle(copy: object) -> None:
            calls[ack].append(copy.order_id)  # type: ignore[attr-defined]
            raise ValueError("no")

        return handle

    consumers = {ack: notebook.consume(handler(ack), "orders.created", ack) for ack in calls}
    order_id = lab.place()
    lab.wait_for(lambda: consumers["after"].given_up == 1, "the message given up")
    lab.wait_for(lambda: calls["before"] and calls["never"], "the message at each")
    assert {ack: found.count(order_id) for ack, found in calls.items()} == {"after": 3, "before": 1, "never": 1}
    assert len(consumers["after"].errors) == 3
    for consumer in consumers.values():
        consumer.close()
        assert "closed" in repr(consumer)
