import { call, phonePath } from "./api.js";
import { $, avatar, clock, digitsOf, el, rows } from "./dom.js";
import { faceOf, nameOf, phone, refresh, state } from "./app.js";
import { bubble, summaryOf } from "./bubble.js";
import { callNotes } from "./calls.js";
import { startCompose, stopAnswering } from "./compose.js";

// chatOf returns the chat of a message: the number of the other account, or the JID of a group.
export const chatOf = (m) => (m.chat.endsWith("@g.us") ? m.chat : digitsOf(m.chat));

export const groupOf = (chat) => state.groups.find((g) => g.jid === chat);
export const titleOf = (chat) => (chat.endsWith("@g.us") ? groupOf(chat)?.subject ?? "a group that was left" : nameOf(chat));

const unread = (m) => !m.from_me && m.status === "received";

// Votes, reactions, edits and revocations appear in the message that they apply to.
const about = new Set(["vote", "reaction", "edit", "revoke"]);
const own = (m) => !about.has(m.kind);

// Who is typing or recording in which chat. The event comes once, so an entry expires when no other follows.
const doing = new Map();
const forgets = 15000; // milliseconds; WhatsApp's clients repeat it every ten seconds

export function heardState(event) {
  if (event.account !== state.number) return;
  const [, what, number, group] = /^(\w+) (\d+)(?: in (\S+))?$/.exec(event.detail ?? "") ?? [];
  if (!what) return;
  const chat = group ?? number;
  clearTimeout(doing.get(chat)?.timer);
  doing.delete(chat);
  if (what !== "paused") {
    const timer = setTimeout(() => { doing.delete(chat); showChats(); }, forgets);
    doing.set(chat, { number, what: what === "recording" ? "recording…" : "typing…", timer, since: Date.now() });
  }
  showChats();
}

// doingIn returns what another account is doing in a chat right now. A message from it ends the state.
function doingIn(chat) {
  const now = doing.get(chat);
  if (!now) return "";
  const said = state.messages.some((m) => digitsOf(m.from) === now.number && chatOf(m) === chat && Date.parse(m.time) > now.since);
  if (said) {
    clearTimeout(now.timer);
    doing.delete(chat);
    return "";
  }
  return chat.endsWith("@g.us") ? `${nameOf(now.number)} is ${now.what}` : now.what;
}

function chats() {
  const all = new Map();
  const face = (chat) => (chat.endsWith("@g.us") ? undefined : faceOf(chat));
  for (const g of state.groups) all.set(g.jid, { id: g.jid, name: g.subject, last: "a group", time: g.created, unread: 0 });
  for (const m of state.messages) {
    const chat = chatOf(m);
    const before = all.get(chat);
    const counted = (before?.unread ?? 0) + (own(m) && unread(m) ? 1 : 0);
    all.delete(chat); // so that the latest comes last
    const last = m.kind === "vote" || m.kind === "edit" ? before?.last ?? "" : (m.from_me ? "you: " : "") + summaryOf(m);
    all.set(chat, { id: chat, name: titleOf(chat), face: face(chat), last, time: m.time, unread: counted });
  }
  return [...all.values()].reverse().map((c) => ({ ...c, doing: doingIn(c.id) }));
}

export function showChats() {
  const open = state.chat !== "";
  $("chats").hidden = $("new-group-line").hidden = open;
  $("chat").hidden = !open;
  $("to-label").hidden = open;
  $("attach").hidden = !open;
  $("write").elements.to.required = !open;
  $("new-group").disabled = state.phones.length < 2;
  rows($("chats"), chats(), (chat) => el("li", {}, el("button", { type: "button", onclick: () => show(chat.id) },
    avatar(chat.name, chat.face),
    el("span", {}, chat.name), el("time", { datetime: chat.time }, clock(chat.time)),
    chat.doing ? el("small", { class: "doing" }, chat.doing) : el("small", {}, chat.last),
    chat.unread ? el("b", { class: "unread" }, `${chat.unread} new`) : null)),
  state.number ? "No chats yet. Write to a number below, or let a session write to this phone." : "Add a phone first.");
  if (open) showMessages();
}

export function show(chat) {
  state.chat = chat;
  earlier = 0;
  stopAnswering();
  $("messages").replaceChildren();
  $("chat-face").replaceChildren();
  showChats();
  $("messages").scrollTop = $("messages").scrollHeight;
  $("write").elements.text.focus();
}

// page is the number of messages that are drawn at first, and that each click on the button for earlier ones adds.
const page = 150;
let earlier = 0;

function showMessages() {
  const group = groupOf(state.chat);
  const name = titleOf(state.chat);
  $("chat-name").textContent = name;
  if (!$("chat-face").children.length) $("chat-face").append(avatar(name, group ? undefined : faceOf(state.chat)));
  $("chat-about").textContent = doingIn(state.chat)
    || (group ? group.members.map((m) => (m.jid === phone()?.jid ? "you" : nameOf(digitsOf(m.jid)))).join(", ")
      : state.phones.find((p) => p.number === state.chat)?.about ?? "");
  $("chat-about").classList.toggle("doing", Boolean(doingIn(state.chat)));
  $("group-open").hidden = !group;
  const box = $("messages");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const all = state.messages.filter((m) => own(m) && chatOf(m) === state.chat);
  const shown = all.slice(-(page + earlier));
  const admin = Boolean(group?.members.find((m) => m.jid === phone()?.jid && m.role !== "member"));
  const items = shown.map((m, i) => ({
    ...m, admin, waits: unread(m), group: Boolean(group),
    first: i === 0 || shown[i - 1].from !== m.from,
  }));
  // Calls are in time order. A call before the first drawn message appears together with the earlier messages.
  const since = all.length > shown.length ? Date.parse(shown[0].time) : 0;
  items.push(...callNotes(state.chat).filter((c) => Date.parse(c.time) >= since));
  items.sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
  if (all.length > shown.length) items.unshift({ id: "earlier", earlier: all.length - shown.length });
  rows(box, items, (item) => (item.note ? el("li", { class: "note" }, item.note, " ", el("time", { datetime: item.time }, clock(item.time))) : item.earlier ? el("li", { class: "note" }, el("button", {
    type: "button", class: "quiet", onclick: () => { earlier += page; showMessages(); },
  }, `${item.earlier} earlier messages`)) : bubble(item)), "No messages yet.");
  if (atEnd) box.scrollTop = box.scrollHeight;
}

// send sends a message from the selected phone in the open chat, or from another phone in another chat.
export async function send(body, { from, to } = { from: state.number, to: state.chat }) {
  const { id } = await call("POST", `${phonePath(from)}/messages`, { to, ...body });
  await refresh();
  return id;
}

export function startChats() {
  $("back").addEventListener("click", () => {
    state.chat = "";
    stopAnswering();
    showChats();
    $("chats").querySelector("button")?.focus();
  });
  // A picture that has loaded makes its bubble taller. A list that was at its end stays there.
  $("messages").addEventListener("load", () => {
    const box = $("messages");
    if (box.scrollHeight - box.scrollTop - box.clientHeight < 400) box.scrollTop = box.scrollHeight;
  }, true);
  startCompose();
}
