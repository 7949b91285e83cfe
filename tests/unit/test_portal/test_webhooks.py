"""The inbox: who may put something in, and that each webhook is kept once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from standardwebhooks import Webhook

from orderlab.portal import create_app
from orderlab.portal.receiver import Receiver
from orderlab.settings import Settings

CONFIRMED = {
    "type": "order.confirmed",
    "timestamp": "2026-01-01T12:00:00+00:00",
    "data": {"order_id": "ws-001", "audience": "operations", "status": "CONFIRMED", "total": "49.90"},
}


class Sender:
    """Signs as the notifier does."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.client = app.test_client()
        self.signer = Webhook(settings.webhook_secret)

    def send(
        self,
        audience: str = "operations",
        webhook_id: str = "evt-1",
        content: str = json.dumps(CONFIRMED),
        ago: float = 0,
        **headers: str | None,
    ) -> int:
        """Post a webhook signed `ago` seconds ago, with some headers changed or (None) left out; the status."""
        at = datetime.now(UTC) - timedelta(seconds=ago)
        signed = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self.signer.sign(webhook_id, at, content),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        kept = {name: value for name, value in signed.items() if value is not None}
        answer = self.client.post(f"/webhooks/{audience}", data=content, headers=kept, content_type="application/json")
        return answer.status_code


@pytest.fixture
def sender(app: Flask, settings: Settings) -> Sender:
    return Sender(app, settings)


def inbox(app: Flask) -> Any:
    return app.extensions["orderlab"].inbox


def test_a_signed_webhook_is_kept_and_shown(app: Flask, sender: Sender) -> None:
    assert sender.send() == 200
    (received,) = inbox(app).newest()
    assert (received.webhook_id, received.audience, received.type) == ("evt-1", "operations", "order.confirmed")
    assert (received.order_id, received.status, received.repeats) == ("ws-001", "CONFIRMED", 0)
    assert received.body == CONFIRMED
    page = sender.client.get("/inbox").text
    assert 'data-audience="operations" data-order="ws-001"' in page


def test_a_webhook_that_comes_again_is_welcome_and_counted_but_kept_once(app: Flask, sender: Sender) -> None:
    assert [sender.send() for _ in range(3)] == [200] * 3
    (received,) = inbox(app).newest()
    assert received.repeats == 2


def test_twenty_at_once_are_kept_once(app: Flask, sender: Sender, settings: Settings) -> None:
    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(lambda _: Sender(app, settings).send(), range(20)))
    assert statuses == [200] * 20
    assert [received.repeats for received in inbox(app).newest()] == [19]


def test_each_audience_is_a_receiver_of_its_own(app: Flask, sender: Sender) -> None:
    assert sender.send("operations") == sender.send("customer") == 200
    assert {received.audience for received in inbox(app).of_order("ws-001")} == {"operations", "customer"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_signature": None},
        {"webhook_id": None},
        {"webhook_timestamp": None},
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "nonsense"},
        {"webhook_signature": "v1,not base64 at all"},
        {"webhook_id": "evt-2"},
        {"webhook_timestamp": "soon"},
        {"ago": 400},
        {"ago": -400},
    ],
    ids=str,
)
def test_a_webhook_that_is_not_signed_rightly_is_refused(app: Flask, sender: Sender, wrong: Any) -> None:
    if wrong == {"webhook_id": "evt-2"}:  # signed for another id
        signature = sender.signer.sign("evt-1", datetime.now(UTC), json.dumps(CONFIRMED))
        wrong = {"webhook_id": "evt-2", "webhook_signature": signature}
    if wrong == {"webhook_id": None}:
        signature = sender.signer.sign("evt-1", datetime.now(UTC), json.dumps(CONFIRMED))
        wrong = {"webhook-id": None, "webhook_signature": signature}
    assert sender.send(**wrong) == 401
    assert inbox(app).newest() == []


def test_a_webhook_signed_with_another_secret_is_refused(app: Flask, sender: Sender) -> None:
    sender.signer = Webhook(b"another secret of thirty-two bytes")
    assert sender.send() == 401
    assert inbox(app).newest() == []


def test_a_changed_body_is_refused(app: Flask, sender: Sender) -> None:
    signature = sender.signer.sign("evt-1", datetime.now(UTC), json.dumps(CONFIRMED))
    assert sender.send(content=json.dumps({**CONFIRMED, "type": "order.rejected"}), webhook_signature=signature) == 401


@pytest.mark.parametrize("content", ["not json", "[1, 2]", '"text"', "null"])
def test_a_signed_body_that_is_no_object_is_refused(app: Flask, sender: Sender, content: str) -> None:
    assert sender.send(content=content) == 400
    assert inbox(app).newest() == []


def test_another_audience_is_not_found_and_a_large_body_too_large(sender: Sender) -> None:
    assert sender.send("marketing") == 404
    assert sender.send(content=json.dumps({"type": "x" * 70_000})) == 413


def test_a_webhook_needs_no_csrf_token_but_only_a_post_delivers(sender: Sender) -> None:
    assert sender.send() == 200
    assert sender.client.get("/webhooks/operations").status_code == 405


def test_the_inbox_survives_a_restart(sender: Sender, settings: Settings) -> None:
    assert sender.send() == 200
    again = create_app(settings)
    assert Sender(again, settings).send() == 200
    (received,) = inbox(again).newest()
    assert received.repeats == 1


def test_the_newest_stands_first(app: Flask, sender: Sender) -> None:
    for number in range(5):
        sender.send(webhook_id=f"evt-{number}")
    assert [received.webhook_id for received in inbox(app).newest(limit=3)] == ["evt-4", "evt-3", "evt-2"]


def test_a_good_webhook_is_answered_alike_by_the_receiver_and_by_the_application_behind_it(
    app: Flask, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer() -> tuple[int, bytes, dict[str, str]]:
        at = datetime.now(UTC)
        content = json.dumps(CONFIRMED)
        headers = {
            "webhook-id": "evt-1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": sender.signer.sign("evt-1", at, content),
        }
        told = sender.client.post("/webhooks/operations", data=content, headers=headers)
        return told.status_code, told.data, dict(told.headers)

    views: list[str] = []
    app.before_request(lambda: views.append("asked"))
    by_the_receiver = answer()
    assert views == []
    monkeypatch.setattr(Receiver, "_kept", lambda *_: False)
    assert answer() == by_the_receiver
    assert views == ["asked"]
    assert inbox(app).newest()[0].repeats == 1
