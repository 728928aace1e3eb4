// The texts of tokens, asked of the server when a step of several tokens is to be taken apart.

import { post } from "./api.js";
import { mixed } from "./branches.js";

const [MOST, AT_ONCE] = [400, 4];

/** What is known so far: token -> text. One model is served, so that it holds for the page. */
export const words = new Map();

/** Learns the tokens of a branch's mixed steps. What the server does not tell stays unknown. */
export async function learn(branch, key) {
  const wanted = new Set(
    branch.steps
      .filter(mixed)
      .flatMap(({ tokens }) => tokens)
      .filter((token) => !words.has(token)),
  );
  const waiting = [...wanted].slice(0, MOST);
  const worker = async () => {
    while (waiting.length) {
      const token = waiting.pop();
      words.set(token, (await post("detokenize", { tokens: [token] }, key)).prompt);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker)).catch(() => {});
}
