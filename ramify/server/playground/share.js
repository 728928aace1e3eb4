// What is set, as a command, as Python, as a link. The key is never in it.

import { address } from "./api.js";

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command for a shell. */
export function asCurl({ path, body }, withKey) {
  const lines = [`curl ${quoted(address(path))}`, `  -H 'content-type: application/json'`];
  if (withKey) lines.push('  -H "authorization: Bearer $RAMIFY_API_KEY"');
  lines.push(`  -d ${quoted(JSON.stringify(body, null, 1).replace(/\n */g, " "))}`);
  return `${lines.join(" \\\n")}\n`;
}

/** A script for the openai client. What OpenAI's interface does not have goes into extra_body. */
export function asPython({ path, body }, withKey) {
  const chat = path.endsWith("chat/completions");
  const { search, speculate, ...plain } = body;
  const extra = speculate === undefined ? { search } : { search, speculate };
  const named = Object.entries(plain).map(([name, value]) => `    ${name}=${python(value)},\n`);
  const lines = [
    ...(withKey ? ["import os\n"] : []),
    "from openai import OpenAI\n",
    `client = OpenAI(base_url=${python(address("v1"))}, api_key=${withKey ? 'os.environ["RAMIFY_API_KEY"]' : '"none"'})`,
    `answer = client.${chat ? "chat.completions" : "completions"}.create(`,
    `${named.join("")}    extra_body=${python(extra)},`,
    ")",
    `print(answer.choices[0].${chat ? "message.content" : "text"})`,
    'for candidate in answer.search["candidates"]:',
    '    print(candidate["score"], candidate["tokens"], candidate["text"])',
  ];
  return `${lines.join("\n")}\n`;
}

/** A value as Python writes it. JSON's texts are Python's. */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** This page with these settings. */
export function asLink(settings, prompt) {
  const link = new URL(document.baseURI);
  link.hash = encodeURIComponent(JSON.stringify({ ...settings, prompt }));
  return link.href;
}

/** What a link's fragment carries, or null. */
export function fromLink(hash) {
  try {
    const found = JSON.parse(decodeURIComponent(hash.slice(1)));
    return found && typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}

/** Copies, and says so on the button; where a page may not copy, shows the text to be copied by hand. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const dialog = document.getElementById("copy");
    const box = document.getElementById("copy-text");
    box.value = text;
    dialog.showModal();
    box.select();
    return;
  }
  button.dataset.label ??= button.textContent; // pressed twice, it still knows its own
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = button.dataset.label), 1500);
}
