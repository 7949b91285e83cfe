"""The portal answers its own hosts alone, and takes nothing from another site's page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from orderlab.portal import create_app
from orderlab.settings import Settings


@pytest.mark.parametrize("host", ["evil.example", "a..b", "a" * 70, "<b>", "ñ", "localhost:99999"])
@pytest.mark.parametrize("path", ["/", "/health", "/orders/ws-001", "/inbox/stream", "/nowhere"])
def test_a_strange_host_is_shown_a_page_that_says_what_to_do(api: Any, app: Flask, host: str, path: str) -> None:
    answer = app.test_client().get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "ORDERLAB_ALLOWED_HOSTS" in answer.text
    assert "127.0.0.1 o localhost" in answer.text
    assert "<b>" not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert api.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080", "portal:8080"])
def test_the_portals_own_hosts_are_answered(api: Any, settings: Settings, host: str) -> None:
    app = create_app(replace(settings, allowed_hosts="portal"))
    assert app.test_client().get("/health", headers={"Host": host}).status_code == 200


def test_another_sites_page_orders_nothing_and_delivers_nothing(api: Any, browser: Any) -> None:
    form = browser.fields(browser.get("/"))
    asked = len(api.requests)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        refused = browser.client.post("/orders", data=form, headers=headers)
        assert refused.status_code == 403
        assert "Enviado por otro sitio" in refused.text
        webhook = browser.client.post("/webhooks/customer", data=b"{}", headers=headers)
        assert (webhook.status_code, webhook.mimetype) == (403, "application/json")
    assert len(api.requests) == asked
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert browser.client.post("/orders", data=form, headers=own).status_code == 303
