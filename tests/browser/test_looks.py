"""What a person sees: contrast in both colour schemes, and nothing that runs out of a narrow screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support import RunningLab

Visit = Callable[..., Page]

PALE_TEXTS = """() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [.2126, .7152, .0722][n], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const pale = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
    if (contrast < 4.5) pale.push(`${contrast.toFixed(2)} ${texts.currentNode.data.trim()}`);
  }
  return pale;
}"""


def finished_order(lab: RunningLab, **fields: str) -> str:
    order_id = lab.place(**fields)
    lab.complete(order_id)
    return order_id


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(visit: Visit, lab: RunningLab, scheme: str) -> None:
    confirmed, declined = finished_order(lab), finished_order(lab, payment_token="tok_declined")
    page = visit(color_scheme=scheme, reduced_motion="reduce")
    for path in ("/", f"/orders/{confirmed}", f"/orders/{declined}", "/inbox"):
        page.goto(path)
        assert page.evaluate(PALE_TEXTS) == [], path


@pytest.mark.parametrize("width", [320, 390, 1366])
def test_no_page_is_wider_than_the_screen(visit: Visit, lab: RunningLab, width: int) -> None:
    order_id = finished_order(lab)
    page = visit(viewport={"width": width, "height": 800})
    for path in ("/", f"/orders/{order_id}", "/inbox"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_narrow_screen_gets_the_narrow_drawing(visit: Visit, lab: RunningLab) -> None:
    page = visit(f"/orders/{finished_order(lab)}", viewport={"width": 390, "height": 800})
    expect(page.locator("#drawing")).to_be_visible()
    drawn = page.locator("#drawing").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert drawn < 400


def test_every_control_and_picture_has_a_name(visit: Visit, lab: RunningLab) -> None:
    page = visit()
    for path in ("/", f"/orders/{finished_order(lab)}", "/inbox"):
        page.goto(path)
        for role in ("link", "button", "textbox", "combobox", "spinbutton", "img", "navigation", "table"):
            for element in page.get_by_role(role).all():
                if role != "table":
                    assert element.aria_snapshot().strip('- :"\n') != role, (
                        f"{path}: {element.evaluate('e => e.outerHTML')}"
                    )
        expect(page.get_by_role("main")).to_have_count(1)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
