import { call, phonePath } from "./api.js";
import { $, attempt, clock, el, rows } from "./dom.js";
import { nameOf, refresh, state } from "./app.js";

const digitsOf = (jid) => jid.split(/[@:.]/)[0];

// other is the number at the other end of a message: its chat.
const other = (m) => digitsOf(m.chat);

const unread = (m) => !m.from_me && m.status === "received";

// kindOf is what a message is, in a word; text needs none.
const kindOf = (m) => {
  const kind = m.kind || m.type;
  return kind === "text" ? "" : kind;
};

function chats() {
  const all = new Map();
  for (const m of state.messages) {
    const number = other(m);
    const count = (all.get(number)?.unread ?? 0) + (unread(m) ? 1 : 0);
    all.delete(number); // so that the latest comes last
    all.set(number, { number, name: nameOf(number), last: (m.from_me ? "you: " : "") + (m.text || kindOf(m)), time: m.time, unread: count });
  }
  return [...all.values()].reverse();
}

export function showChats() {
  const open = state.chat !== "";
  $("chats").hidden = open;
  $("chat").hidden = !open;
  $("to-label").hidden = open;
  $("write").elements.to.required = !open;
  rows($("chats"), chats(), (chat) => el("li", {}, el("button", { type: "button", onclick: () => show(chat.number) },
    el("span", {}, chat.name, el("time", { datetime: chat.time }, clock(chat.time))),
    el("small", {}, el("span", {}, chat.last), chat.unread ? el("b", { class: "unread" }, `${chat.unread} new`) : null))),
  state.number ? "No chats yet. Write to a number below, or let a session write to this phone." : "Add a phone first.");
  if (open) showMessages();
}

function show(number) {
  state.chat = number;
  $("messages").replaceChildren();
  showChats();
  $("write").elements.text.focus();
}

function showMessages() {
  $("chat-name").textContent = nameOf(state.chat);
  const box = $("messages");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  rows(box, state.messages.filter((m) => other(m) === state.chat), bubble, "Nothing said yet.");
  if (atEnd) box.scrollTop = box.scrollHeight;
}

const ticks = { sent: "✓", delivered: "✓✓", read: "✓✓ read" };

function bubble(m) {
  return el("li", { class: m.from_me ? "message mine" : "message" },
    kindOf(m) ? el("div", { class: "kind" }, kindOf(m)) : null,
    m.text,
    el("footer", {},
      m.from_me && m.device ? el("span", { title: "written on a linked device" }, `device ${m.device}`) : null,
      m.copies > 1 ? el("span", { class: "again", title: "received more than once, under one id" }, `${m.copies}×`) : null,
      el("time", { datetime: m.time }, clock(m.time)),
      m.from_me ? el("span", { title: m.status }, ticks[m.status] ?? m.status) : null,
      unread(m) ? el("button", { type: "button", class: "quiet", onclick: (event) => read(m, event.target) }, "Mark as read") : null));
}

const read = (m, button) => attempt(async () => {
  await call("POST", `${phonePath(state.number)}/messages/${encodeURIComponent(m.id)}/read`);
  await refresh();
}, button);

export function startChats() {
  $("back").addEventListener("click", () => {
    state.chat = "";
    showChats();
    $("chats").querySelector("button")?.focus();
  });
  $("write").addEventListener("submit", (event) => {
    event.preventDefault();
    const { to, text } = event.target.elements;
    const number = state.chat || to.value.replace(/[\s()+-]/g, "");
    attempt(async () => {
      if (!state.number) throw new Error("Add a phone first: somebody has to write.");
      await call("POST", `${phonePath(state.number)}/messages`, { to: number, text: text.value });
      state.chat = digitsOf(number);
      text.value = to.value = "";
      await refresh();
      text.focus();
    }, event.target.querySelector("button"));
  });
}
