// What every part of the page uses. Text is always set as text, never as HTML: names come from anywhere.
export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

export async function call(method, path, body) {
  const request = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response, answer = {};
  try {
    response = await fetch(path, request);
    answer = await response.json().catch(() => ({}));
  } catch {
    throw new Error("wasup does not answer. Is it still running?");
  }
  if (!response.ok) throw Object.assign(new Error(inWords(answer) ?? `wasup answered ${response.status}.`), { answer });
  return answer;
}

function inWords({ detail, errors, title }) {
  if (errors?.length) return errors.map((e) => `${e.field}: ${e.detail}`).join("; ");
  return detail ?? title;
}

let hide;
export function say(text, bad = false) {
  const node = $("say");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  if (node.matches(":popover-open")) node.hidePopover();
  node.showPopover();
  clearTimeout(hide);
  hide = setTimeout(() => node.hidePopover(), bad ? 10000 : 4000);
}

export async function attempt(work, button) {
  if (button) button.disabled = true;
  try {
    const done = await work();
    if (button && $("say").matches(".bad:popover-open")) $("say").hidePopover(); // what went wrong before went right now
    return done;
  } catch (error) {
    say(error.message, true);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

export const path = (id, rest = "") => `/v1/sessions/${encodeURIComponent(id)}${rest}`;
export const spelt = (word) => word.replaceAll("_", " ");
export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const when = (time) => (new Date(time).toDateString() === new Date().toDateString() ? clock(time) : `${new Date(time).toLocaleDateString()} ${clock(time)}`);
export const left = (time) => {
  const seconds = Math.max(0, Math.ceil((Date.parse(time) - Date.now()) / 1000));
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min` : seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds} s`;
};
export const kind = (state) => (state === "READY" ? "good" : state === "NOT_INITIALIZED" ? "rest" : /QR|INIT|RECONN/.test(state) ? "busy" : state === "DISCONNECTED_RECOVERABLE" ? "wait" : "bad");
export const titleOf = (s) => s.name || s.id;

// A countdown is an element that knows until when it counts; all of them tick together.
export const until = (time) => el("span", { "data-until": time }, left(time));
setInterval(() => {
  for (const node of document.querySelectorAll("[data-until]")) node.textContent = left(node.dataset.until);
}, 1000);

// place makes nodes the children of a parent. What stays is not moved: a node that is taken out and put back between the
// press and the release of a mouse is not clicked.
export function place(parent, nodes) {
  const stay = new Set(nodes);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  nodes.forEach((node, i) => { if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null); });
}
