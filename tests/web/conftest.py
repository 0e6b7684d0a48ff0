"""One hub with the demonstration's content for the run, and Debian's Chromium before it."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import environments  # noqa: E402
from lib.server import ROOT, Server  # noqa: E402

sys.path.insert(0, str(ROOT / "scripts"))
import demo_content  # noqa: E402

HERE = Path(__file__).resolve().parent
# Where screenshots go, for whoever looks at them.
SHOTS = Path(os.environ.get("HEARTH_SHOTS", ROOT / "build" / "screenshots"))
DESKTOP = {"width": 1440, "height": 1000}
PHONE = {"width": 360, "height": 780}


@pytest.fixture(scope="session")
def server():
    hub = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    try:
        hub.add_user("root", "--admin")
        for name in demo_content.PEOPLE:
            hub.add_user(name, password=f"{name}-password")
        for name, owner in demo_content.ORGANISATIONS.items():
            hub.hearth("org", "add", name, "--owner", owner)
        hub.start()
        hub.tokens = {name: hub.add_token(name) for name in demo_content.PEOPLE}
        hub.demo = demo_content.Hub(hub.url, hub.tokens)
        demo_content.fill(hub.demo)
        hub.demo.create("model", "sorrel/secret", "sorrel", private=True)
        hub.demo.commit("model", "sorrel/secret", "sorrel", "Write the card", {"README.md": b"# Secret\n\nNobody else reads this.\n"})
        hub.settle()
        yield hub
    finally:
        hub.remove()


@pytest.fixture(scope="session")
def browser():
    program = shutil.which("chromium")
    assert program, "Debian's chromium is missing: apt-get install chromium (tests/packages.txt)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


class Watch:
    """What a page did that none should: errors in the console (a broken policy is one), and requests to other hosts."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.problems: list[str] = []
        self.allowed_statuses: set[int] = set()
        self.alerts: list[str] = []
        self.requests: list[str] = []
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        context.on("dialog", self._on_dialog)
        context.on("requestfinished", self._on_finished)
        # A foreign host is never asked: what tries is stopped, and told.
        context.route(lambda address: not address.startswith(url) and not address.startswith(("data:", "blob:")), self._stop)

    def _on_console(self, message) -> None:
        if message.type not in ("error", "warning"):
            return
        text = message.text
        if text.startswith("Failed to load resource") and any(f"status of {status} " in text for status in self.allowed_statuses):
            return
        self.problems.append(f"console {message.type}: {text} ({message.location.get('url', '')})")

    def _on_dialog(self, dialog) -> None:
        self.alerts.append(dialog.message)
        dialog.dismiss()

    def _on_finished(self, request) -> None:
        self.requests.append(request.url)

    def _stop(self, route) -> None:
        self.problems.append(f"asked another host: {route.request.url}")
        route.abort()


@pytest.fixture
def open_browser(server, browser: Browser):
    """Makes a fresh browser's page; at the end of the test nothing may have gone wrong in any."""
    made: list[tuple[BrowserContext, Watch]] = []

    def open_one(viewport: dict | None = None, theme: str = "light", user: str | None = None,
                 without_policy: bool = False) -> tuple[Page, Watch]:
        context = browser.new_context(bypass_csp=without_policy, viewport=viewport or DESKTOP, color_scheme=theme, reduced_motion="reduce", base_url=server.url,
                                      has_touch=viewport is PHONE)
        context.set_default_timeout(15_000)
        watch = Watch(context, server.url)
        made.append((context, watch))
        page = context.new_page()
        if user:
            page.goto("/login")
            page.get_by_label("Name").fill(user)
            page.get_by_label("Password").fill(f"{user}-password")
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/settings/tokens")
        return page, watch
    yield open_one
    problems = [problem for _, watch in made for problem in watch.problems]
    alerts = [alert for _, watch in made for alert in watch.alerts]
    for context, _ in made:
        context.close()
    assert not problems, "\n".join(problems)
    assert alerts == []


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script; run by the test's own connection to the browser, which the pages' policy does not hold."""
    return (environments.node_modules(HERE) / "axe-core" / "axe.min.js").read_text()
