// The messages that the chosen session was given to send: how far each is, and why it is not further. What they say is
// not shown.
import { $, attempt, call, el, path, place, spelt, until, when } from "/dashboard/page.js";

const some = 20, most = 500; // messages: at first and by "Older", and what one answer may hold
let of = "", shown = some, asked = 0, list = [], more = false, session;

export function lookAtMessages(id) {
  of = id;
  shown = some;
  list = [];
  more = false;
  asked++; // an answer about the session before comes too late
  draw();
  read();
}

// read asks for as many as are shown, so that a list that has grown stays grown.
async function read(button) {
  if (!of) return;
  const turn = ++asked;
  const state = $("messages-state").value;
  const answer = await attempt(() => call("GET", path(of, `/messages?limit=${shown}${state ? `&state=${state}` : ""}`)), button);
  if (!answer || turn !== asked) return;
  list = answer.items;
  more = Boolean(answer.next_cursor);
  draw();
}

let soon;
export function messageChanged() {
  soon ??= setTimeout(() => { soon = undefined; read(); }, 300);
}

// That a message was accepted is no event, so who watches a session looks now and then.
setInterval(() => { if (of && document.visibilityState === "visible" && $("message-list").checkVisibility()) read(); }, 5000);

export function showMessages(s) {
  session = s;
  why();
}

function why() {
  const waiting = list.some(({ state }) => state === "queued" || state === "sending");
  const { can_send: able, state, cause, desired } = session?.status ?? {};
  $("messages-why").hidden = !waiting || able !== false || session?.id !== of;
  $("messages-why").textContent = `Messages leave when the session is READY. Now it is ${state}${cause === "none" ? "" : `, ${spelt(cause ?? "")}`}`
    + (desired === "run" ? "." : ", and nobody has asked it to run.");
}

const look = (state) => (state === "failed" ? "bad" : ["queued", "held", "sending"].includes(state) ? "wait" : state === "cancelled" ? "rest" : "good");

// to is an address as people write it.
const to = (address) => address.replace(/^(\d+)@s\.whatsapp\.net$/, "+$1");

function history(m) {
  return [
    ["accepted", m.created_at], ["not before", m.send_at], ["not after", m.expires_at], ["WhatsApp has it", m.server_ack_at],
    ["delivered", m.delivered_at], ["read", m.read_at], ["played", m.played_at], [m.state === "failed" ? "failed" : "", m.state === "failed" && m.updated_at],
  ].filter(([, time]) => time).map(([what, time]) => `${what} ${when(time)}`).join(" · ");
}

function itemOf(m, before) {
  const due = m.state === "queued" && Date.parse(m.send_at) > Date.now();
  const drawn = JSON.stringify([m.id, m.state, m.cause, m.attempts, m.updated_at, m.can_requeue, due]);
  const act = (verb) => (event) => attempt(async () => { await call("POST", path(m.session_id, `/messages/${encodeURIComponent(m.id)}/${verb}`)); await read(); }, event.target);
  return before.get(drawn) ?? el("li", { "data-drawn": drawn, "data-id": m.id },
    el("p", {}, el("span", { class: `state ${look(m.state)}` }, spelt(m.state)), ` ${spelt(m.kind)} to ${to(m.to)}`, due ? [" in ", until(m.send_at)] : null),
    m.state === "held" ? el("p", { class: "soft" }, "Accepted for another account than the one that is linked now.") : null,
    m.cause || m.error ? el("p", { class: m.state === "failed" ? "wrong" : "soft" }, `${m.state === "queued" ? "The last attempt: " : ""}${spelt(m.cause ?? "")}${m.error ? `: ${m.error}` : ""}`) : null,
    el("p", { class: "soft" }, `${history(m)}${m.attempts > (m.state === "queued" ? 0 : 1) ? ` · attempts: ${m.attempts}` : ""}`),
    el("p", { class: "soft id" }, m.id),
    m.state === "queued" || m.state === "held" ? el("button", { type: "button", class: "quiet", onclick: act("cancel") }, "Take back") : null,
    m.can_requeue ? el("button", { type: "button", class: "quiet", onclick: act("requeue") }, "Try again") : null);
}

function draw() {
  const before = new Map([...$("message-list").children].map((node) => [node.dataset.drawn, node]));
  const nodes = list.map((m) => itemOf(m, before));
  place($("message-list"), nodes.length ? nodes : [el("li", { class: "empty" }, $("messages-state").value ? "No message in this state." : "None yet.")]);
  $("messages-older").hidden = !more || shown >= most;
  why();
}

$("messages-state").addEventListener("change", () => { shown = some; read(); });
$("messages-older").addEventListener("click", (event) => { shown = Math.min(most, shown * 3); read(event.target); });
