"""Headless Chromium in front of the portal. Whatever it complains about makes the test fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support import RunningLab

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 20_000  # ms until something that must be seen is missing


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser. Without one these tests are skipped, and fail where CI=true."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        installed = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        path = next((p for p in (*installed, playwright.chromium.executable_path) if p and Path(p).exists()), None)
        if path is None:
            missing = "no Chromium here: install the package chromium, or run 'playwright install chromium'"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, lab: RunningLab) -> Iterator[Callable[..., Page]]:
    """Open a page of the portal as a new person, with the browser's options given; `may_fail` lets it complain."""
    complaints: list[str] = []

    with ExitStack() as stack:

        def open_page(path: str = "/", *, may_fail: bool = False, **options: Any) -> Page:
            context = chromium.new_context(base_url=lab.portal_url, **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            if not may_fail:
                page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
                page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(path)
            return page

        yield open_page
    assert complaints == []
