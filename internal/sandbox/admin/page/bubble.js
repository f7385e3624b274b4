import { call, phonePath } from "./api.js";
import { $, attempt, clock, digitsOf, el, openDialog, sizeOf, timeOf } from "./dom.js";
import { nameOf, phone, refresh, state } from "./app.js";
import { send } from "./chats.js";
import { answer, edit } from "./compose.js";

const words = {
  image: "picture", video: "video", audio: "audio", document: "document", sticker: "sticker", location: "place",
  contact: "contact card", poll: "poll", unknown: "a kind of message that this phone cannot show",
  business: "message of a business", choice: "choice",
};

// kindOf returns the kind of a message in words.
export const kindOf = (m) => (m.kind === "audio" && m.media?.voice ? "voice message" : words[m.kind] ?? "");

// summaryOf returns a message as one line.
export function summaryOf(m) {
  if (m.revoked) return "deleted";
  if (m.kind === "reaction") return m.text ? `reacted ${m.text}` : "removed a reaction";
  if (m.kind === "revoke") return "deleted a message";
  if (m.kind === "timer") return timer(m.expiration);
  return [kindOf(m), m.text || m.contact?.name || m.location?.name || m.media?.file_name].filter(Boolean).join(": ");
}

const days = { 86400: "a day", 604800: "7 days", 7776000: "90 days" };
const timer = (seconds) => (seconds ? `Messages disappear after ${days[seconds] ?? `${seconds} seconds`}.` : "Messages no longer disappear.");

const whoOf = (jid) => (jid === phone()?.jid ? "you" : nameOf(digitsOf(jid)));
const ticks = { sent: "✓", delivered: "✓✓", read: "✓✓ read" };

// bubble draws a message.
export function bubble(m) {
  if (m.kind === "timer") return el("li", { class: "note" }, timer(m.expiration));
  const body = m.revoked ? [el("p", { class: "gone" }, "This message was deleted.")] : [
    m.quote ? quote(m.quote) : null, ...content(m), m.text && m.kind !== "poll" ? el("p", { class: "text" }, m.text) : null,
    m.preview ? el("div", { class: "preview" }, el("b", {}, m.preview.title), el("span", {}, m.preview.description), el("small", {}, m.preview.url)) : null,
  ];
  return el("li", { class: m.from_me ? "message mine" : "message", id: `m-${m.id}`, tabindex: "-1" },
    m.group && !m.from_me && m.first ? el("b", { class: "sender" }, whoOf(m.from)) : null,
    ...body,
    footer(m),
    m.reactions?.length ? reactions(m) : null,
    m.revoked ? null : el("button", {
      type: "button", class: "more", "aria-haspopup": "menu", "aria-label": "React, reply and more", title: "React, reply and more",
      onclick: (event) => openMenu(m, event.currentTarget),
    }, "☺"));
}

function footer(m) {
  return el("footer", {},
    m.from_me && m.device ? el("span", { title: "written on a linked device" }, `device ${m.device}`) : null,
    m.view_once ? el("span", {}, "view once") : null,
    m.expiration ? el("span", { title: timer(m.expiration) }, "⏱ disappears") : null,
    m.edited && !m.revoked ? el("span", {}, "edited") : null,
    m.copies > 1 ? el("span", { class: "again", title: "received more than once with the same id" }, `${m.copies}×`) : null,
    el("time", { datetime: m.time }, clock(m.time)),
    m.from_me ? el("span", { class: `ticks ${m.status}`, title: m.status }, ticks[m.status] ?? m.status) : null,
    m.waits ? el("button", { type: "button", class: "quiet", onclick: (event) => read(m, event.target) }, "Mark as read") : null);
}

const read = (m, button) => attempt(async () => {
  await call("POST", `${phonePath(state.number)}/messages/${encodeURIComponent(m.id)}/read`);
  await refresh();
}, button);

function quote(q) {
  const original = state.messages.find((m) => m.id === q.id);
  return el("button", {
    type: "button", class: "quote", onclick: () => {
      const target = $(`m-${q.id}`);
      target?.scrollIntoView({ block: "center" });
      target?.focus();
    },
  }, el("b", {}, whoOf(q.from)), el("span", {}, q.text || (original ? summaryOf(original) : "a message")));
}

// content draws the parts of a message besides its text.
function content(m) {
  const file = m.media;
  switch (m.kind) {
    case "image": case "sticker": return [picture(m)];
    case "video": return [el("video", { src: file.url, controls: true, preload: "metadata", class: "film", "aria-label": "video" })];
    case "audio": return [el("div", { class: "sound" }, el("span", {}, `${kindOf(m)}${file.seconds ? ` · ${timeOf(file.seconds)}` : ""}`),
      el("audio", { src: file.url, controls: true, preload: "metadata", "aria-label": kindOf(m) })), download(m, "Download")];
    case "document": return [el("div", { class: "paper" }, el("span", { class: "sheet", "aria-hidden": "true" }, extensionOf(file)),
      el("div", {}, el("b", {}, file.file_name || "document"), el("small", {}, `${sizeOf(file.size)} · ${file.mime}`))), download(m, "Download")];
    case "location": return [el("div", { class: "place" }, el("b", {}, `📍 ${m.location.name || "a place"}`), m.location.address ? el("span", {}, m.location.address) : null,
      el("small", {}, `${m.location.latitude}, ${m.location.longitude}`))];
    case "contact": return [el("div", { class: "place" }, el("b", {}, `👤 ${m.contact.name}`), el("small", {}, numbersOf(m.contact.vcard)))];
    case "poll": return [poll(m)];
    case "text": return [];
    default: return [el("p", { class: "gone" }, kindOf(m) || m.type)];
  }
}

const extensionOf = (file) => (/\.(\w{1,4})$/.exec(file.file_name ?? "")?.[1] ?? "file").toUpperCase();
const numbersOf = (vcard) => [...vcard.matchAll(/^TEL[^:]*:(.+)$/gim)].map((found) => found[1].trim()).join(", ");

const download = (m, text) => el("a", { class: "download", href: m.media.url, download: m.media.file_name || `${m.kind}-${m.id}` }, text);

// picture shows the file on the server, or the thumbnail of the message if the file is gone.
function picture(m) {
  const label = m.text || kindOf(m);
  const image = el("img", { src: m.media.url, alt: label, class: m.kind === "sticker" ? "sticker" : "photo", loading: "lazy" });
  image.addEventListener("error", () => {
    image.closest("button").replaceWith(m.media.thumbnail ? el("img", { src: `data:image/jpeg;base64,${m.media.thumbnail}`, alt: label, class: "photo" }) : "",
      el("p", { class: "gone" }, "The file is gone from the server."));
  }, { once: true });
  return el("button", { type: "button", class: "open", "aria-label": `Open the ${kindOf(m)}`, onclick: () => {
    $("full-picture").src = m.media.url;
    $("full-picture").alt = label;
    $("full-about").textContent = [m.media.width ? `${m.media.width} × ${m.media.height}` : "", sizeOf(m.media.size), m.media.mime].filter(Boolean).join(" · ");
    $("full-download").href = m.media.url;
    $("full-download").download = m.media.file_name || `${m.kind}-${m.id}`;
    openDialog("full");
  } }, image);
}

// poll shows the options with their votes. A click votes, another one withdraws the vote.
function poll(m) {
  const me = phone()?.jid;
  const one = m.poll.selectable === 1;
  const votes = Math.max(1, ...m.poll.options.map((o) => o.voters.length));
  const chosen = m.poll.options.filter((o) => o.voters.includes(me)).map((o) => o.name);
  const vote = (name, button) => attempt(() => {
    const rest = chosen.filter((n) => n !== name);
    const options = chosen.includes(name) ? rest : [...(one ? [] : rest), name];
    return send({ kind: "vote", target: m.id, options });
  }, button);
  return el("div", { class: "poll", role: "group", "aria-label": `Poll: ${m.text}` },
    el("b", {}, m.text), el("small", {}, one ? "Choose one" : m.poll.selectable ? `Choose up to ${m.poll.selectable}` : "Choose one or more"),
    m.poll.options.map((o) => el("button", {
      type: "button", class: "option", "aria-pressed": String(o.voters.includes(me)),
      title: o.voters.map(whoOf).join(", ") || "nobody yet", onclick: (event) => vote(o.name, event.currentTarget),
    }, el("span", { class: "box" }, o.voters.includes(me) ? "✓" : ""), el("span", {}, o.name), el("b", {}, String(o.voters.length)),
    el("progress", { max: votes, value: o.voters.length, "aria-hidden": "true" }))));
}

function reactions(m) {
  const me = phone()?.jid;
  const by = Map.groupBy(m.reactions, (r) => r.emoji);
  return el("div", { class: "reactions" }, [...by].map(([emoji, given]) => {
    const mine = given.some((r) => r.from === me);
    const who = given.map((r) => whoOf(r.from)).join(", ");
    return el("button", {
      type: "button", "aria-pressed": String(mine), title: who, "aria-label": `${emoji} from ${who}`,
      onclick: (event) => react(m, mine ? "" : emoji, event.currentTarget),
    }, emoji, given.length > 1 ? ` ${given.length}` : "");
  }));
}

const react = (m, emoji, button) => attempt(() => send({ kind: "reaction", target: m.id, text: emoji }), button);

const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

// openMenu shows the menu of actions beside a message.
function openMenu(m, anchor) {
  const menu = $("menu");
  const act = (text, work, label) => el("button", { type: "button", role: "menuitem", "aria-label": label, onclick: () => { menu.hidePopover(); work(); } }, text);
  const mine = m.reactions?.find((r) => r.from === phone()?.jid)?.emoji;
  menu.replaceChildren(
    el("div", { class: "quick" }, quick.map((emoji) => act(emoji, () => react(m, emoji === mine ? "" : emoji), `React with ${emoji}`))),
    act("Reply", () => answer(m)),
    ...(m.from_me && m.kind === "text" && !m.device ? [act("Edit", () => edit(m))] : []),
    ...((m.from_me && !m.device) || (m.group && m.admin) ? [act("Delete for everybody", () => attempt(() => send({ kind: "revoke", target: m.id })))] : []));
  menu.showPopover();
  const at = anchor.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${at.bottom + menu.offsetHeight + 8 > innerHeight ? Math.max(8, at.top - menu.offsetHeight - 4) : at.bottom + 4}px`;
  menu.querySelector("button").focus();
  menu.onkeydown = (event) => {
    const items = [...menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  };
  // The toggle event comes late: after Reply or Edit the focus is in the text field by then, and must stay there.
  menu.ontoggle = (event) => {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (event.newState === "closed" && lost) $(`m-${m.id}`)?.querySelector(".more")?.focus();
  };
}
