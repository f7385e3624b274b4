import { call, phonePath } from "./api.js";
import { $, attempt, clock, el, grouped } from "./dom.js";
import { digitsOf, nameOf, refresh, state } from "./app.js";

// other is the number at the other end of a message: its chat.
const other = (m) => digitsOf(m.chat || (m.from_me ? m.to : m.from));

function chats() {
  const all = new Map();
  for (const m of state.messages) all.set(other(m), m);
  return [...all.entries()].reverse();
}

export function showChats() {
  const list = chats();
  if (!state.chat && list.length) state.chat = list[0][0];
  $("chats").replaceChildren(...list.map(([number, last]) => el("li", {}, el("button", {
    type: "button", "aria-current": String(number === state.chat), onclick: () => open(number),
  }, nameOf(number), el("small", {}, (last.from_me ? "you: " : "") + gist(last))))));
  if (!list.length) $("chats").replaceChildren(el("li", { class: "empty" }, "No chats yet"));
  showMessages();
}

function open(number) {
  state.chat = number;
  showChats();
  $("write").elements.text.focus();
}

const gist = (m) => m.text || m.type || "message";

function showMessages() {
  const box = $("messages");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  const list = state.messages.filter((m) => other(m) === state.chat);
  box.replaceChildren(...(list.length ? list.map(bubble) : [el("li", { class: "empty" },
    state.number ? "Write to a number below, or let a session send something to this one." : "Add a phone first.")]));
  if (atEnd) box.scrollTop = box.scrollHeight;
  const to = $("write").elements.to;
  if (document.activeElement !== to && state.chat) to.value = state.chat;
}

const ticks = { sent: "✓", server: "✓", delivered: "✓✓", read: "✓✓ read", played: "✓✓ played" };

function bubble(m) {
  const unread = !m.from_me && m.status !== "read" && m.status !== "played";
  return el("li", { class: m.from_me ? "message mine" : "message", "data-id": m.id },
    m.type && m.type !== "text" ? el("div", { class: "kind" }, m.type) : null,
    m.text,
    el("footer", {},
      m.from_me && m.device ? el("span", { title: "written on a linked device" }, `device ${m.device}`) : null,
      m.copies > 1 ? el("span", { class: "again", title: "received more than once, under one id" }, `${m.copies}×`) : null,
      el("time", { datetime: m.time }, clock(m.time)),
      m.from_me ? el("span", { title: m.status }, ticks[m.status] ?? m.status) : null,
      unread ? el("button", { type: "button", class: "quiet", onclick: (event) => read(m, event.target) }, "read") : null));
}

const read = (m, button) => attempt(async () => {
  await call("POST", `${phonePath(state.number)}/messages/${encodeURIComponent(m.id)}/read`);
  await refresh();
}, button);

export function startChats() {
  $("write").addEventListener("submit", (event) => {
    event.preventDefault();
    const { to, text } = event.target.elements;
    attempt(async () => {
      await call("POST", `${phonePath(state.number)}/messages`, { to: to.value.trim(), text: text.value });
      state.chat = digitsOf(to.value.replace(/^\+|[\s-]/g, ""));
      text.value = "";
      await refresh();
      text.focus();
    }, event.target.querySelector("button"));
  });
}
