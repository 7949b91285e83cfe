"""Take docs/portal.png from the lab that is up: `python -m tests.browser.picture`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from orderlab import stack
from tests.browser.conftest import ARGUMENTS

PICTURE = Path(__file__).parents[2] / "docs" / "portal.png"
COLOURS = 128  # enough for a page of text, at a third of the size


def take() -> bytes:
    """The page of an order that has come to its end, as PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-GB")
        page.goto(f"{stack.attached(stack.default_home()).portal_url}/?lang=en")
        page.get_by_role("button", name="Create Order").click()
        for label in ("11", "18a", "18b", "19"):
            page.locator(f'#steps [data-step="{label}"]').wait_for()
        picture = page.screenshot()
        browser.close()
        return picture


if __name__ == "__main__":
    few = Image.open(io.BytesIO(take())).convert("RGB").quantize(COLOURS)
    few.save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1024} KiB")
