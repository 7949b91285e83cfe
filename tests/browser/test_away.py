"""What a person sees while the API is really away, and when it is back."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.test_button import labels, press
from tests.support import RunningLab

Visit = Callable[..., Page]


def test_an_order_that_could_not_be_sent_is_sent_by_trying_again_under_its_id(visit: Visit, lab: RunningLab) -> None:
    page = visit(may_fail=True)  # Chromium logs the 503
    order_id = page.locator("#order_id").input_value()
    lab.stop("orders-api")
    try:
        page.get_by_role("button", name="Crear Pedido").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("La Orders API no responde")
        expect(page.locator("#order-id")).to_have_text(order_id)
    finally:
        lab.revive("orders-api")
    page.get_by_role("button", name="Intentar de nuevo").click()
    page.wait_for_url(f"**/orders/{order_id}")
    expect(page.locator("#status")).to_have_text("CONFIRMED")


def test_an_open_page_goes_on_by_itself_when_the_api_was_killed_and_is_back(visit: Visit, lab: RunningLab) -> None:
    page = visit()
    press(page, payment_token="tok_slow")
    expect(page.locator('#steps [data-step="14"]')).to_be_visible()
    lab.kill("orders-api")
    expect(page.locator('#steps [data-step="19"]')).to_be_visible()
    expect(page.locator("#status")).to_have_text("CONFIRMED")
    expect(page.locator("#away")).to_be_hidden()
    assert "18b" in labels(page)


def test_an_open_page_goes_on_by_itself_when_the_portal_was_killed_and_is_back(visit: Visit, lab: RunningLab) -> None:
    page = visit(may_fail=True)  # Chromium logs the broken stream
    press(page, payment_token="tok_slow")
    expect(page.locator('#steps [data-step="14"]')).to_be_visible()
    lab.kill("portal")
    expect(page.locator('#steps [data-step="18b"]')).to_be_visible()
    expect(page.locator("#status")).to_have_text("CONFIRMED")
    assert [label for label in labels(page) if label in ("1", "2", "4", "11")] == ["1", "2", "4", "11"]
