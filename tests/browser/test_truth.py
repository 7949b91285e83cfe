"""The page tells the truth about an order that went wrong, while it stays open."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from orderlab.faults import arming
from tests.browser.test_button import press
from tests.support import RunningLab

Visit = Callable[..., Page]


@pytest.fixture
def crash(lab: RunningLab) -> Callable[..., None]:
    """Arm a crash for one order."""

    def armed(order_id: str, step: int, side: str) -> None:
        with psycopg.connect(lab.database_url, autocommit=True) as connection:
            arming.arm(connection, "crash", step, side, order_id=order_id)

    return armed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_order_charged_twice_is_told_so_on_its_open_page(
    visit: Visit, lab: RunningLab, crash: Callable[..., None], scheme: str
) -> None:
    order_id = f"web-{uuid.uuid4().hex[:8]}"
    crash(order_id, 16, "before")
    page = visit(color_scheme=scheme)
    page.get_by_text("Salvaguardas", exact=True).click()
    page.locator("#design").select_option("as-drawn")
    press(page, order_id=order_id)
    page.evaluate("window.stillTheSamePage = true")
    expect(page.get_by_role("heading", level=1)).to_have_text("Al cliente se le cobró más de una vez")
    expect(page.locator("#verdict")).to_have_text("duplicado")
    expect(page.locator(".sign.good")).to_have_count(0)
    expect(page.locator("#steps .band.broken")).to_have_text("✗ crash antes de 16: worker")
    expect(page.locator('#steps .unrecorded[data-step="15"]')).to_have_count(1)
    expect(page.locator('#steps .harm[data-step="15"]')).to_contain_text("segundo cobro")
    assert "pagado" not in page.locator("main").inner_text()
    assert page.evaluate("window.stillTheSamePage")
    assert lab.value("SELECT count(*) FROM payments WHERE order_id = %s", order_id) == 2

    expect(page.locator('#steps [data-step="18b"]')).to_be_visible()
    rows = page.locator("#steps li").evaluate_all("rows => rows.map(row => row.dataset.step ?? row.textContent)")
    assert rows.index("entrega 2") < rows.index("18a"), "a webhook stands below the delivery that caused it"


def test_a_rejected_order_has_no_tick(visit: Visit) -> None:
    page = visit()
    press(page, payment_token="tok_declined")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pedido rechazado")
    expect(page.locator(".sign.no")).to_be_visible()
    expect(page.locator(".sign.good")).to_have_count(0)


def test_an_order_that_went_well_gets_its_tick_when_it_has_come_to_its_end(visit: Visit) -> None:
    page = visit()
    press(page)
    expect(page.locator(".sign.good")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pedido confirmado")
    expect(page.locator("#verdict")).to_have_text("correcto")
