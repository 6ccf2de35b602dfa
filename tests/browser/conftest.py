"""Debian's Chromium, driven by Playwright. Without one: skipped, or failed when FIRSTHOUR_NEED_BROWSER=1."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.support.missing import missing

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test alone."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("FIRSTHOUR_NEED_BROWSER", "There is no chromium on the PATH (Debian: apt-get install chromium).")
    expect.set_options(timeout=20_000)  # the deadline of all waiting here: a busy machine is no failure
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=_QUIET)
        yield browser
        await browser.close()
