"""Prompts are answered: chats stream, searches draw their trees, two methods run side by side."""

import re

import pytest

from tests.server.playground.fake import MARKUP, STEPS, Fake

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
PROMPT = "Compute (12 + 9) * 4 - 30."


def test_chat(anywhere):
    """A text streams, its cost stands below, and the next turn knows of it."""
    anywhere.method("sample", 1)
    anywhere.ask(PROMPT)
    anywhere.done()
    expect(anywhere.answers).to_have_text(re.compile(r"12 \+ 9 = 21"))
    assert "tokens drawn" in anywhere.table("Cost of this run").inner_text()
    anywhere.ask("What is 3 + 4?")
    anywhere.done()
    expect(anywhere.answers).to_have_count(2)


def test_chat_remembers(desk, fake):
    desk.method("sample", 1)
    for prompt in (PROMPT, "And 3 + 4?"):
        desk.ask(prompt)
        desk.done()
    roles = [(message["role"], message["content"]) for message in fake.requests[-1]["body"]["messages"]]
    assert roles == [("user", PROMPT), ("assistant", "".join(STEPS)), ("user", "And 3 + 4?")]


def test_text_comes_while_it_is_drawn(desk):
    desk.method("sample", 1)
    desk.ask("forever")
    expect(desk.answers).to_have_text(re.compile("and and and and"))
    desk.page.get_by_role("button", name="Stop").click()
    desk.done()


def test_completion_without_a_template(visit):
    """A model without a chat template is continued; the prompt stands before what it wrote."""
    with Fake(chat=False) as fake:
        desk = visit(fake.url).open()
        expect(desk.page.get_by_role("radio", name="Chat")).to_be_disabled()
        desk.ask("Once")
        desk.done()
        assert (fake.requests[0]["path"], fake.requests[0]["body"]["prompt"]) == ("/v1/completions", "Once")
        expect(desk.answers).to_have_text(re.compile("^Once\n12"))


def test_tree(anywhere):
    """Every branch is drawn; the best is marked, and says its score."""
    anywhere.method("best-of-n", 6)
    anywhere.ask(PROMPT)
    expect(anywhere.branches.first).to_be_visible()
    anywhere.done()
    expect(anywhere.branches).to_have_count(6)
    best = anywhere.page.get_by_role("treeitem", name=re.compile("the best"))
    expect(best).to_have_count(1)
    expect(best.locator(".number")).to_have_text(re.compile(r"★ −?\d"))
    best.focus()
    expect(anywhere.page.locator(".detail")).to_contain_text("12 + 9 = 21")


def test_tree_grows(desk, fake):
    """Branches are there before the search is over."""
    fake.pace = 0.05
    desk.ask(PROMPT)
    expect(desk.page.locator(".branch.running").first).to_be_attached()
    assert desk.page.locator("article").get_attribute("aria-busy") == "true"
    desk.done()


def test_rejected_and_rewound(desk):
    desk.method("best-of-n", 6)
    desk.ask("rewind")
    desk.done()
    expect(desk.page.locator(".branch.rejected")).to_have_count(3)
    struck = desk.page.locator(".branch.rejected .number").first.evaluate("e => getComputedStyle(e).textDecorationLine")
    assert struck == "line-through"
    expect(desk.page.get_by_role("treeitem", name=re.compile("rewound 2 times"))).to_have_count(1)
    desk.page.get_by_role("treeitem", name=re.compile("rewound")).focus()
    expect(desk.page.locator(".detail del")).to_have_text([re.compile("84 - 30"), re.compile("36 \\+ 12|21 \\* 4")])


def test_a_crowd(desk):
    """Thousands of branches neither freeze the page nor vanish in silence."""
    desk.ask("crowd")
    desk.done()
    expect(desk.page.get_by_text("160 of 3,000 branches are drawn")).to_be_visible()
    expect(desk.branches).to_have_count(160)
    expect(desk.page.get_by_role("treeitem", name=re.compile("the best"))).to_have_count(1)
    expect(desk.page.get_by_role("button", name="Show 1,900 more")).to_be_visible()


def test_drafts(desk):
    """What a draft was right about is coloured, token for token, and its share is told."""
    desk.method("sample", 1)
    desk.ask("draft")
    desk.done()
    expect(desk.page.get_by_text("12 of 16 drafted tokens (75%)")).to_be_visible()
    expect(desk.answers.locator(".drafted").first).to_have_text("12 + 9")  # three of four tokens: 9/16 of the text
    desk.page.get_by_text("Ledger").click()


def test_drafts_of_the_server(visit, drafting):
    desk = visit(f"{drafting.url}/").open()
    desk.method("sample", 1)
    desk.ask(PROMPT)
    desk.done()
    expect(desk.page.get_by_text(re.compile(r"\d+ of \d+ drafted tokens"))).to_be_visible()
    expect(desk.answers.locator(".drafted").first).to_be_visible()


def test_candidates(anywhere):
    """All of them, the best first."""
    anywhere.method("best-of-n", 4)
    anywhere.ask(PROMPT)
    anywhere.done()
    rows = anywhere.table("Candidates").locator("tbody tr")
    expect(rows.first).to_contain_text("★")
    assert rows.count() >= 3  # the made-up server rejects one


def test_compare(anywhere):
    """Two methods run together, and are summed up beside each other."""
    anywhere.page.get_by_label("Compare with a second method").check()
    anywhere.method("best-of-n", 3)
    anywhere.method("sample", 1, place=1)
    anywhere.ask(PROMPT)
    anywhere.done()
    expect(anywhere.answers).to_have_count(2)
    summary = anywhere.table("Both methods")
    for row in ("tokens drawn", "FLOPs", "time", "score of the best"):
        expect(summary.get_by_role("rowheader", name=row, exact=True)).to_be_visible()
    expect(summary).to_contain_text(re.compile(r"\d×"))
    left, right = (anywhere.page.locator("article").nth(side).bounding_box() for side in (0, 1))
    assert left["x"] + left["width"] <= right["x"]


def test_markup_stays_text(desk):
    """Nothing that a model writes becomes an element, wherever it is shown."""
    desk.method("best-of-n", 3)
    desk.ask("script <i>x</i>")
    desk.done()
    desk.branches.first.focus()
    for place in (desk.answers, desk.page.locator(".detail .text"), desk.table("Candidates").locator(".text").first):
        expect(place).to_have_text(MARKUP)
    assert desk.page.title() == "ramify playground"
    assert (
        desk.page.locator(
            "#thread img, #thread script, #thread b:not(.star, .cross), #thread i:not(.ramp, .rewound)"
        ).count()
        == 0
    )
