"""Where the peer's webhooks arrive: checked, and kept once in SQLite as the portal keeps them."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

from orderlab.settings import Settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (
    webhook_id TEXT NOT NULL, audience TEXT NOT NULL, type TEXT NOT NULL, order_id TEXT NOT NULL, status TEXT NOT NULL,
    body TEXT NOT NULL, received_at TEXT NOT NULL, repeats INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (webhook_id, audience)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inbox_newest ON inbox (received_at);
CREATE INDEX IF NOT EXISTS inbox_order ON inbox (order_id);
"""

settings = Settings.from_environment()
verifier = Webhook(settings.webhook_secret)
# Straight from the event loop: an insert takes microseconds, a thread for it would cost more.
inbox = sqlite3.connect(settings.portal_data, isolation_level=None)
inbox.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {SCHEMA}")

app = FastAPI()


@app.post("/webhooks/{audience}")
async def receive(audience: str, request: Request) -> Response:
    """200 once it is kept, now or before; 401 for a wrong signature."""
    try:
        body = verifier.verify(await request.body(), dict(request.headers))
    except WebhookVerificationError as error:
        raise HTTPException(401, str(error)) from None
    data = body["data"]
    inbox.execute(
        "INSERT INTO inbox (webhook_id, audience, type, order_id, status, body, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (webhook_id, audience) DO UPDATE SET repeats = repeats + 1",
        (
            request.headers["webhook-id"],
            audience,
            body["type"],
            data["order_id"],
            data["status"],
            json.dumps(body),
            datetime.now(UTC).isoformat(),
        ),
    )
    return Response()


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """It serves."""
    return {"status": "ready"}
