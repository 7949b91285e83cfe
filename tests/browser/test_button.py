"""The button in a real browser, with the real services behind it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support import RunningLab

Visit = Callable[..., Page]
NINETEEN = [str(number) for number in range(1, 20)]


def press(page: Page, name: str = "Crear Pedido", **choices: str) -> str:
    """Fill in what is chosen, press the button; the order id on the confirmation."""
    for field, value in choices.items():
        control = page.locator(f"#{field}")
        control.select_option(value) if field in ("product", "payment_token") else control.fill(value)
    page.get_by_role("button", name=name).click()
    page.wait_for_url("**/orders/*")
    return page.locator("#order-id").inner_text()


def labels(page: Page) -> list[str]:
    """The labels of the steps on the page, as they stand."""
    return page.locator("#steps [data-step]").evaluate_all("steps => steps.map(step => step.dataset.step)")


def test_one_press_ends_in_nineteen_steps_and_two_webhooks(visit: Visit, lab: RunningLab) -> None:
    page = visit()
    order_id = press(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Pedido confirmado")
    expect(page.locator("#status")).to_have_text("CONFIRMED")
    for label in ("19", "18a", "18b", "11"):
        expect(page.locator(f'#steps [data-step="{label}"]')).to_be_visible()
    assert [label for label in labels(page) if label not in ("18a", "18b")] == NINETEEN
    expect(page.locator("#webhooks time")).to_have_count(2)

    page.get_by_role("link", name="Bandeja de entrada", exact=True).click()
    for audience in ("operations", "customer"):
        arrived = page.locator(f'[data-order="{order_id}"][data-audience="{audience}"]')
        expect(arrived).to_have_count(1)
        expect(arrived).to_contain_text("order.confirmed")

    names = [event["step"] for event in lab.complete(order_id) if not event["part"]]
    assert sorted(names) == list(range(1, 20)), "the journal holds what the page showed, each step once"


def test_steps_state_and_drawing_arrive_while_the_page_stays_open(visit: Visit) -> None:
    page = visit()
    with page.expect_response(re.compile("/orders/[^/]+$")) as opened:
        press(page, payment_token="tok_slow")  # two seconds at step 15
    assert 'data-step="19"' not in opened.value.text()
    page.evaluate("window.stillTheSamePage = true")
    first_drawing = page.locator("#drawing").get_attribute("src")
    expect(page.locator("#status")).to_have_text("INVENTORY_RESERVED")
    expect(page.locator('#steps [data-step="14"]')).to_be_visible()
    expect(page.locator('#steps [data-step="19"]')).to_have_count(0)
    expect(page.locator('#steps [data-step="19"]')).to_be_visible()
    expect(page.locator("#status")).to_have_text("CONFIRMED")
    expect(page.locator("#drawing")).not_to_have_attribute("src", first_drawing or "")
    page.get_by_text("Lo mismo en texto").click()
    expect(page.locator("#drawing-text")).to_contain_text("ACK del mensaje")
    assert page.evaluate("window.stillTheSamePage")


def test_the_inbox_shows_a_webhook_when_it_arrives(visit: Visit) -> None:
    inbox = visit("/inbox")
    order_id = press(visit())
    expect(inbox.locator(f'[data-order="{order_id}"]')).to_have_count(2)


def test_an_order_can_be_made_and_followed_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    reached = []
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
        assert len(reached) < 30, f"the button is not reached: {reached}"
        focus = page.evaluate("(e => ({id: e.id, outline: getComputedStyle(e).outlineStyle}))(document.activeElement)")
        assert focus["outline"] != "none", f"nobody sees where the focus is: {focus}"
        reached.append(focus["id"])
        if focus["id"] == "payment_token":
            page.keyboard.press("ArrowDown")  # tok_declined
    assert [field for field in reached if field] == ["product", "quantity", "payment_token", "order_id"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/*")
    expect(page.locator("#status")).to_have_text("REJECTED")
    expect(page.get_by_role("status").first).to_contain_text("el pago fue denegado")
    expect(page.locator('#steps [data-step="15c"]')).to_be_visible()


def test_the_first_tab_stop_skips_to_the_content(visit: Visit) -> None:
    page = visit("/inbox")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Saltar al contenido")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_attribute("id", "content")


def test_english_is_one_click_away_and_remembered(visit: Visit) -> None:
    page = visit(locale="en-US")
    expect(page.get_by_role("button")).to_have_text("Crear Pedido")
    page.get_by_role("link", name="English").click()
    press(page, "Create Order")
    expect(page.get_by_role("heading", level=1)).to_have_text("Order confirmed")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator('#steps [data-step="19"]')).to_contain_text("ACK message")


def test_without_javascript_the_button_works_and_the_page_says_how_to_go_on(visit: Visit, lab: RunningLab) -> None:
    page = visit(java_script_enabled=False)
    order_id = press(page, payment_token="tok_slow")
    again = page.get_by_role("link", name="Volver a cargarla")
    expect(again).to_be_visible()
    lab.complete(order_id)
    again.click()
    expect(page.locator("#status")).to_have_text("CONFIRMED")
    assert "19" in labels(page)


def test_the_same_form_sent_again_shows_the_stored_order(visit: Visit, lab: RunningLab) -> None:
    order_id = press(visit())
    page = visit()
    assert press(page, order_id=order_id) == order_id
    expect(page.get_by_text("Este pedido ya existía")).to_be_visible()
    assert lab.value("SELECT count(*) FROM payments WHERE order_id = %s", order_id) <= 1
    other = visit(may_fail=True)  # Chromium logs the 409
    other.locator("#order_id").fill(order_id)
    other.locator("#quantity").fill("2")
    other.get_by_role("button", name="Crear Pedido").click()
    expect(other.locator("#order_id-error")).to_contain_text("ya lo tiene un pedido con otro contenido")
