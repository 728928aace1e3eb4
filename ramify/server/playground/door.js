// The API key, for servers that want one: asked for here, kept in this tab alone.

import { at } from "./dom.js";

const PLACE = "ramify-key";

export const key = () => sessionStorage.getItem(PLACE) ?? "";

/** Opens the field and says why. */
export function askKey(message) {
  at("key-box").open = true;
  complain(message);
  at("key").focus();
}

export function closeDoor() {
  at("key-box").open = false;
  complain("");
}

/** `used()` is called when a key was given. */
export function door(used) {
  at("key").value = key();
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(PLACE, at("key").value.trim());
    closeDoor();
    used();
  });
}

function complain(message) {
  at("key-error").textContent = message;
  at("key-error").hidden = !message;
  at("key").setAttribute("aria-invalid", Boolean(message));
}
