// Talking to the server that this page came from. Paths are relative to the page, so a prefix in front of it is fine.

import { readEvents } from "./sse.js";

/** What the server said no to. `param` names the field, `retryAfter` is in seconds; status 0: no answer at all. */
export class ServerError extends Error {
  constructor(status, { message, param = null, code = null } = {}, retryAfter = null) {
    super(message || `The server answered with status ${status}.`);
    Object.assign(this, { status, param, code, retryAfter });
  }
}

export const address = (path) => new URL(path, document.baseURI).href;

async function ask(path, key, options = {}) {
  const headers = { ...options.headers, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  let answer;
  try {
    // with a key of its own the page keeps the browser from asking for one
    answer = await fetch(address(path), { ...options, headers, credentials: key ? "omit" : "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, { message: "The server does not answer. Is it still running?" });
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new ServerError(answer.status, body.error ?? {}, Number(answer.headers.get("retry-after")) || null);
}

/** The JSON at a path. Raises ServerError. */
export const get = async (path, key) => (await ask(path, key)).json();

const sent = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** The JSON that a path answers a body with. Raises ServerError. */
export const post = async (path, body, key) => (await ask(path, key, sent(body))).json();

/** Yields {event, data} with data parsed, until [DONE]. Raises ServerError, also for an error inside the stream. */
export async function* stream(path, body, key, signal) {
  const answer = await ask(path, key, { ...sent(body), signal });
  let done = false;
  for await (const { event, data } of readEvents(answer.body)) {
    if (data === "[DONE]") {
      done = true;
      break;
    }
    const parsed = JSON.parse(data);
    if (parsed.error) throw new ServerError(Number(parsed.error.code) || 500, parsed.error);
    yield { event, data: parsed };
  }
  if (!done) throw new ServerError(0, { message: "The stream broke off before its end." });
}
