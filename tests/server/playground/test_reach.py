"""Whoever comes: by keyboard, on a phone, in the dark, without motion."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
PHONE = {"viewport": {"width": 400, "height": 860}, "has_touch": True}
CONTRAST = """(e) => {
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const [a, b] = [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_keyboard_alone(desk, fake):
    """From the top of the page to an answer, and through its tree, without a pointer."""
    press = desk.page.keyboard.press
    press("Tab")
    expect(desk.page.get_by_role("link", name="Skip to the prompt")).to_be_focused()
    for _ in range(30):  # to the method; every stop on the way is visible
        press("Tab")
        if desk.page.evaluate("document.activeElement.dataset.param") == "search.method":
            break
    desk.page.keyboard.type("best")
    press("Tab")
    desk.page.keyboard.type("6")
    desk.prompt.focus()
    desk.page.keyboard.type("rewind")
    press("Enter")
    desk.done()
    assert fake.requests[0]["body"]["search"]["n"] == 6
    expect(desk.prompt).to_be_focused()
    for _ in range(30):  # backwards to the tree: one stop, the best branch
        press("Shift+Tab")
        if desk.page.evaluate("document.activeElement.getAttribute('role')") == "treeitem":
            break
    focused = desk.page.locator(":focus")
    expect(focused).to_have_attribute("aria-label", re.compile("the best"))
    press("Home")
    expect(focused).to_have_attribute("aria-label", re.compile("^Branch 0,"))
    press("ArrowRight")
    expect(focused).to_have_attribute("aria-label", re.compile("forked from branch 0"))
    press("ArrowLeft")
    press("ArrowDown")
    press("End")
    expect(focused).to_have_attribute("aria-label", re.compile("^Branch 5,"))
    expect(desk.page.locator(".detail")).to_contain_text("Branch 5")


def test_everything_is_named(desk):
    """No field without a label, and what is running is told."""
    unnamed = "(all) => all.filter((e) => !e.labels?.length && !e.getAttribute('aria-label')).map((e) => e.outerHTML)"
    assert desk.page.locator("main input, main select, main textarea, header input").evaluate_all(unnamed) == []
    desk.ask("forever")
    expect(desk.page.get_by_role("status")).to_have_text(re.compile(r"Running: \d+ branch"))
    desk.page.keyboard.press("Escape")
    desk.done()
    expect(desk.page.get_by_role("status")).to_have_text("Stopped")


def test_phone(visit, request):
    """Nothing is wider than the screen: at first, set, running, done, compared, explained."""
    desk = visit(request.getfixturevalue("fake").url, **PHONE)
    desk.page.goto(desk.url)

    def fits() -> None:
        assert desk.page.evaluate("document.documentElement.scrollWidth") == 400

    fits()
    desk.page.get_by_text("Settings", exact=True).click()
    for folded in ("Guide and 1 more option", "Budget"):
        desk.page.get_by_text(folded).first.click()
    desk.page.get_by_label("Compare with a second method").check()
    fits()
    desk.ask("draft and rewind of averyveryverylongwordthatgoesonandonandonandonandon")
    expect(desk.page.get_by_label("Method", exact=True)).not_to_be_visible()  # the settings make room
    desk.done()
    fits()
    for folded in desk.page.locator(".tables summary").all():
        folded.click()
    desk.branches.first.focus()
    fits()
    first, second = (desk.page.locator("article").nth(side).bounding_box() for side in (0, 1))
    assert first["y"] + first["height"] <= second["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visit, fake, scheme):
    """Words stand out from what is behind them, 4.5 to 1."""
    desk = visit(fake.url, color_scheme=scheme).open()
    desk.ask("Hi")
    desk.done()
    for words in (
        ".summary",
        ".hint:visible",
        ".answer",
        ".legend",
        "button.quiet:visible",
        "label:visible",
        ".run h3",
    ):
        assert desk.page.locator(words).first.evaluate(CONTRAST) >= 4.5, words


def test_without_motion(visit, fake):
    desk = visit(fake.url, reduced_motion="reduce").open()
    desk.ask("forever")
    dot = desk.page.locator(".branch.running .dot").first
    expect(dot).to_be_attached()
    assert dot.evaluate("e => getComputedStyle(e).animationName") == "none"
    desk.page.keyboard.press("Escape")
    desk.done()
