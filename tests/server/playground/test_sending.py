"""What is sent is what is set: settings, stopping, errors, and what is copied to be run elsewhere."""

import ast
import json
import re
import shlex

import pytest

from tests.server.playground.fake import Fake

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def test_settings(desk, fake):
    """Every kind of field arrives under its name; what was left alone is left out."""
    desk.method("beam", 8)
    desk.page.get_by_text("Guide and 2 more options").first.click()
    desk.field("step").fill(r"\n\n")
    desk.field("guide").fill("nudging(threshold=0.4)")
    desk.field("temperature").fill("0.5")
    desk.field("seed").fill("3")
    desk.page.get_by_text("Budget", exact=True).click()
    desk.field("tokens drawn").fill("500")
    desk.page.get_by_label("Speculate").uncheck()
    desk.ask("Hi")
    desk.done()
    body = fake.requests[0]["body"]
    wanted = {"method": "beam", "n": 8, "step": "\n\n", "reward": "builtin-prm", "guide": "nudging(threshold=0.4)"}
    assert body["search"] == wanted | {"budget": {"tokens": 500}, "trace": True}
    sampling = {"temperature": 0.5, "max_tokens": 256, "seed": 3, "speculate": False}
    assert {name: body[name] for name in sampling} == sampling


def test_stop(desk, fake):
    """Stopping closes the connection: the server hears of it."""
    desk.ask("forever")
    expect(desk.branches.first).to_be_attached()
    desk.page.get_by_role("button", name="Stop").click()
    desk.done()
    expect(desk.page.get_by_text(re.compile("Stopped after"))).to_be_visible()
    assert fake.aborted.wait(10)


def test_stop_frees_the_server(visit, drafting):
    desk = visit(f"{drafting.url}/").open()
    desk.method("best-of-n", 64)
    desk.ask("Compute (12 + 9) * 4 - 30.")
    expect(desk.page.get_by_role("status")).to_contain_text("Running")
    desk.page.keyboard.press("Escape")
    desk.done()
    expect(desk.page.get_by_text(re.compile("Stopped after"))).to_be_visible()
    for _ in range(100):
        if drafting.idle():
            break
        desk.page.wait_for_timeout(50)
    assert drafting.idle()


def test_a_wrong_field(anywhere):
    """The server's refusal stands at its field, which has the focus."""
    anywhere.method("best-of-n", 1000)
    anywhere.ask("Hi")
    anywhere.done()
    field = anywhere.field("n")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(anywhere.page.locator("#" + field.get_attribute("aria-describedby").split()[1])).to_contain_text("1000")
    expect(anywhere.prompt).to_have_value("Hi")


def test_no_number(desk, fake):
    desk.page.get_by_text("Budget", exact=True).click()
    desk.field("FLOPs").fill("many")
    desk.page.get_by_text("Budget", exact=True).click()
    desk.ask("Hi")
    expect(desk.page.get_by_text("many is not a number.")).to_be_visible()
    expect(desk.field("FLOPs")).to_be_focused()
    assert not fake.requests


def test_no_prompt(desk, fake):
    desk.page.get_by_role("button", name="Run").click()
    expect(desk.page.get_by_text("Write a prompt first.")).to_be_visible()
    expect(desk.prompt).to_be_focused()
    assert not fake.requests


def test_a_full_server(desk):
    desk.ask("full")
    desk.done()
    expect(desk.page.locator(".problem")).to_have_text("The server is full. 256 requests wait Try again in 3 seconds.")
    expect(desk.prompt).to_have_value("full")


def test_an_error_in_a_stream(desk):
    desk.ask("broken")
    desk.done()
    expect(desk.page.locator(".problem")).to_have_text("the engine failed")


def test_key(visit):
    """A server with a key: the field opens, the key is sent, and stays out of what is copied."""
    with Fake(key="secret") as fake:
        desk = visit(fake.url)
        desk.page.goto(desk.url)
        key = desk.page.get_by_label("API key of this server")
        expect(key).to_be_focused()
        expect(desk.page.get_by_text("The server wants an API key.")).to_be_visible()
        key.fill("wrong")
        key.press("Enter")
        expect(desk.page.get_by_text("The server does not know this key.")).to_be_visible()
        key.fill("secret")
        key.press("Enter")
        expect(desk.field("Method")).to_be_visible()
        desk.ask("Hi")
        desk.done()
        assert fake.requests[-1]["headers"]["authorization"] == "Bearer secret"
        copied = [desk.copied(f"Copy {what}") for what in ("as curl", "as Python", "a link")]
        assert "secret" not in "".join(copied) and "$RAMIFY_API_KEY" in copied[0]


def test_copied_command(desk, fake):
    """The command's body is what the page would send, without what only the page needs."""
    prompt = 'it\'s "1 < 2"\n\\done'
    desk.method("best-of-n", 8)
    desk.prompt.fill(prompt)
    line = shlex.split(desk.copied("Copy as curl").replace("\\\n", " "))
    body = json.loads(line[line.index("-d") + 1])
    desk.page.get_by_role("button", name="Run").click()
    desk.done()
    sent = fake.requests[0]["body"]
    assert line[:2] == ["curl", f"{fake.url}v1/chat/completions"]
    assert body["messages"] == [{"role": "user", "content": prompt}]
    assert body == {k: v for k, v in sent.items() if not k.startswith("stream")} | {
        "search": {k: v for k, v in sent["search"].items() if k != "trace"}
    }


def test_copied_script(desk):
    """The same for Python: the script calls the openai client with the same request."""
    desk.page.get_by_label("Speculate").uncheck()
    desk.prompt.fill("naïve 'quotes' ✓")
    script = desk.copied("Copy as Python")
    calls = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call) and node.keywords]
    call = next(call for call in calls if ast.unparse(call.func) == "client.chat.completions.create")
    asked = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert asked["messages"][0]["content"] == "naïve 'quotes' ✓"
    assert asked["extra_body"]["search"] == {"method": "best-of-n", "n": 16, "reward": "builtin-prm"}
    assert asked["extra_body"]["speculate"] is False


def test_copied_script_runs(visit, drafting, capsys):
    desk = visit(f"{drafting.url}/").open()
    desk.method("best-of-n", 2)
    desk.prompt.fill("Compute (12 + 9) * 4 - 30.")
    pytest.importorskip("openai")
    exec(compile(desk.copied("Copy as Python"), "copied", "exec"), {})
    assert "12 + 9 = 21" in capsys.readouterr().out


def test_link(desk, visit, fake):
    """A link carries the settings and the prompt to somebody else's page."""
    desk.page.get_by_label("Compare with a second method").check()
    desk.method("beam", 5)
    desk.method("sample", 2, place=1)
    desk.field("seed").fill("9")
    desk.prompt.fill("Ä & #?")
    other = visit(desk.copied("Copy a link")).open()
    assert [other.field("Method").input_value(), other.field("Second method").input_value()] == ["beam", "sample"]
    assert [other.field("n", side).input_value() for side in (0, 1)] == ["5", "2"]
    assert [other.field("seed").input_value(), other.prompt.input_value()] == ["9", "Ä & #?"]


@pytest.mark.parametrize(
    "fragment", ["#%7B", "#null", '#{"sides":[{"method":"none","options":7}],"sampling":4}', "#[]"]
)
def test_a_damaged_link(visit, fake, fragment):
    visit(fake.url).open(fragment)
