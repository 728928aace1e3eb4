"""The page as somebody uses it. Pages, locators and `expect` are playwright's."""

import re
from typing import Any

PATIENCE = 60_000  # milliseconds; the real server shares its machine with other tests
EXPECTED = re.compile("Failed to load resource: the server responded with a status of 4")


class Desk:
    """A page, and what its console complained of."""

    def __init__(self, page: Any, url: str, expect: Any) -> None:
        self.page, self.url, self.expect, self.complaints = page, url, expect, list[str]()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective))"
        )

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and not EXPECTED.match(message.text):
            self.complaints.append(message.text)

    def open(self, fragment: str = "") -> "Desk":
        """Go there, and wait until the settings are there."""
        self.page.goto(self.url + fragment)
        self.expect(self.field("Method")).to_be_visible(timeout=PATIENCE)
        return self

    def field(self, label: str, place: int = 0) -> Any:
        """A field of the settings; the second method's has place 1."""
        return self.page.get_by_label(label, exact=True).nth(place)

    def method(self, name: str, n: int | None = None, place: int = 0) -> None:
        """Choose a method."""
        self.field(("Method", "Second method")[place]).select_option(name)
        if n is not None:
            self.field("n", place).fill(str(n))

    @property
    def prompt(self) -> Any:
        """Where one writes."""
        return self.field("Prompt")

    def ask(self, prompt: str) -> None:
        """Send a prompt."""
        self.prompt.fill(prompt)
        self.page.get_by_role("button", name="Run").click()

    def done(self) -> None:
        """Wait for the end."""
        self.expect(self.page.locator("article[aria-busy=true]")).to_have_count(0, timeout=PATIENCE)
        self.expect(self.page.get_by_role("button", name="Run")).to_be_visible(timeout=PATIENCE)

    @property
    def answers(self) -> Any:
        """The texts that were chosen, one a run."""
        return self.page.locator(".answer")

    @property
    def branches(self) -> Any:
        """Those that are drawn."""
        return self.page.get_by_role("treeitem")

    def table(self, caption: str) -> Any:
        """A table of the last run."""
        return self.page.get_by_role("region", name=caption).last

    def copied(self, button: str) -> str:
        """What a button puts on the clipboard."""
        pressed = self.page.get_by_role("group", name="Share").get_by_role("button", name=button).element_handle()
        pressed.click()
        self.page.wait_for_timeout(100)
        assert pressed.text_content() == "Copied"
        return str(self.page.evaluate("navigator.clipboard.readText()"))
