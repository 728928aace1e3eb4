// The box that prompts are written in.

import { at } from "./dom.js";

/** The box is as high as its text, up to a third of the window. */
export function fit() {
  const box = at("prompt");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight / 3)}px`;
}

/** Says what is wrong with the prompt, or (with nothing) that nothing is. */
export function wrongPrompt(message) {
  at("prompt-error").textContent = message;
  at("prompt-error").hidden = !message;
  at("prompt").setAttribute("aria-invalid", Boolean(message));
  if (message) at("prompt").focus();
}

/** Enter and the button send; Shift and Enter start a line. */
export function promptBox(send) {
  at("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  at("prompt").addEventListener("input", () => {
    wrongPrompt("");
    fit();
  });
  at("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
}
