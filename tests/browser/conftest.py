"""Debian's Chromium, driven by Playwright. Without one: skipped, or failed when FIRSTHOUR_NEED_BROWSER=1."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test alone."""
    executable = shutil.which("chromium")
    if executable is None:
        text = "There is no chromium on the PATH (Debian: apt-get install chromium)."
        if os.environ.get("FIRSTHOUR_NEED_BROWSER") == "1":
            pytest.fail(text)
        pytest.skip(text)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=_QUIET)
        yield browser
        await browser.close()
