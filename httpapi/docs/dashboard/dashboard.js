// The operator's page, over /v1 and nothing else.
import { $, attempt, call, el, kind, left, path, place, say, spelt, titleOf, until, when } from "/dashboard/page.js";
import { logEvent, showPast } from "/dashboard/log.js";
import { lookAtMessages, messageChanged, showMessages } from "/dashboard/messages.js";
import { lookAtPasskey } from "/dashboard/passkey.js";
import { lookAtWebhooks } from "/dashboard/webhooks.js";

// What is known: sessions by id, the code that each shows, who crashed, and which session is chosen.
const sessions = new Map();
const codes = new Map();
const crashed = new Map();
let chosen = "", lastSent = "", live = false;

const perPage = 100; // rows that are drawn at once
const inOrder = new Intl.Collator(undefined, { numeric: true });
let first = 0; // the place of the first row among those that fit

// Sorting thousands by id takes time, and is needed only when some come or go.
let sorted;
const known = () => (sorted ??= [...sessions.values()].sort((a, b) => inOrder.compare(a.id, b.id)).map((s) => s.id));
function keep(session) {
  if (!sessions.has(session.id)) sorted = undefined;
  sessions.set(session.id, session);
}

// The groups of states, in the order of their urgency. A session that has failed and tries again is a problem still.
const problem = ({ state, failures }) => ["AUTH_FAILURE", "DISCONNECTED_RECOVERABLE", "DISCONNECTED_LOGOUT", "DISCONNECTED_BANNED", "ERROR"].includes(state) || (state === "RECONNECTING" && failures > 0);
const pairing = ({ state }) => state === "INITIALIZING" || state === "QR_REQUIRED";
const groups = { problem, pairing };
const urgency = (status) => (problem(status) ? 0 : pairing(status) ? 1 : status.state === "RECONNECTING" ? 2 : status.state === "READY" ? 3 : 4);

// The orders of the list by its columns. Each puts first what people look for, and the ids decide between equals.
const farAway = "9999";
const orders = {
  session: (a, b) => inOrder.compare(titleOf(a), titleOf(b)),
  state: (a, b) => urgency(a.status) - urgency(b.status),
  why: (a, b) => inOrder.compare(a.status.cause, b.status.cause),
  since: (a, b) => inOrder.compare(b.status.since ?? "", a.status.since ?? ""),
  next: (a, b) => inOrder.compare(a.status.next_retry_at ?? farAway, b.status.next_retry_at ?? farAway),
  crashes: (a, b) => b.status.restarts - a.status.restarts,
};
const downward = new Set(["since", "crashes"]); // these begin with the latest and with the most
let order = "state", turned = false;

function sortBy(column) {
  turned = order === column && !turned;
  order = column;
  first = 0;
  draw();
}

function showOrder() {
  for (const button of document.querySelectorAll("[data-sort]")) {
    const on = button.dataset.sort === order;
    button.closest("th").setAttribute("aria-sort", on ? (turned === downward.has(order) ? "ascending" : "descending") : "none");
  }
}

function matching() {
  const { q, state, cause } = $("filter").elements;
  const word = q.value.trim().toLowerCase().replace(/^\+/, "");
  const found = known().map((id) => sessions.get(id)).filter(({ id, name, status }) =>
    (!state.value || (groups[state.value]?.(status) ?? status.state === state.value))
    && (!cause.value || status.cause === cause.value)
    && (!word || [id, name, status.account?.phone].some((text) => text?.toLowerCase().includes(word))));
  found.sort(orders[order]);
  return turned ? found.reverse() : found;
}

function rowOf(s, before) {
  const { state, cause, since, next_retry_at: next, restarts, account } = s.status;
  const node = crashed.get(s.id);
  const drawn = JSON.stringify([s.id, s.name, state, cause, since, next, restarts, account?.phone, Boolean(node?.quarantined), s.id === chosen]);
  return before.get(drawn) ?? el("tr", { "data-drawn": drawn, "data-id": s.id, "aria-current": s.id === chosen ? "true" : null },
    el("td", {}, el("button", { type: "button", class: "name" }, titleOf(s)), el("small", {}, [s.name ? s.id : "", account?.phone && `+${account.phone}`].filter(Boolean).join(" · "))),
    el("td", {}, el("span", { class: `state ${kind(state)}` }, state), node?.quarantined && cause !== "quarantined" ? el("span", { class: "state bad" }, "quarantined") : null),
    el("td", {}, cause === "none" ? "—" : spelt(cause)), el("td", {}, since ? el("time", { datetime: since }, when(since)) : "—"),
    el("td", {}, next ? until(next) : "—"), el("td", {}, String(restarts)));
}

function showSessions() {
  const all = matching();
  first = Math.max(0, Math.min(first, Math.floor((all.length - 1) / perPage) * perPage));
  const before = new Map([...$("sessions").children].map((node) => [node.dataset.drawn, node]));
  const focused = document.activeElement?.closest("#sessions tr")?.dataset.id;
  const rows = all.slice(first, first + perPage).map((s) => rowOf(s, before));
  if (!rows.length) rows.push(el("tr", {}, el("td", { colspan: "6", class: "empty" }, sessions.size ? "No session matches." : live ? "No session yet. New session creates one and shows its QR." : "Reading…")));
  place($("sessions"), rows);
  if (focused && !document.activeElement?.closest("#sessions")) $("sessions").querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus();
  $("pager").hidden = all.length <= perPage;
  $("where").textContent = `${first + 1} to ${first + rows.length} of ${all.length}`;
  $("previous").disabled = first === 0;
  $("next").disabled = first + perPage >= all.length;
  showOrder();
  showCounts();
}

function showCounts() {
  const states = new Map(), causes = new Map();
  const counts = { problem: 0, pairing: 0 };
  for (const { status } of sessions.values()) {
    states.set(status.state, (states.get(status.state) ?? 0) + 1);
    if (status.cause !== "none") causes.set(status.cause, (causes.get(status.cause) ?? 0) + 1);
    for (const group in groups) if (groups[group](status)) counts[group]++;
  }
  const ready = states.get("READY") ?? 0;
  $("summary").textContent = sessions.size ? `${ready} of ${sessions.size} sessions are READY` : live ? "no sessions" : "";
  $("problems").hidden = !counts.problem;
  $("problems").textContent = counts.problem === 1 ? "1 problem" : `${counts.problem} problems`;
  const { state, cause } = $("filter").elements;
  offer(state, [["", "every state"], ["problem", `problems (${counts.problem})`], ["pairing", `pairing (${counts.pairing})`], ...counted(states, state.value)]);
  offer(cause, [["", "every cause"], ...counted(causes, cause.value)]);
}

// counted are the options for what there is, and for what is chosen though there is none of it any more.
function counted(counts, value) {
  if (value && !groups[value] && !counts.has(value)) counts.set(value, 0);
  return [...counts].sort(([a], [b]) => inOrder.compare(a, b)).map(([name, n]) => [name, `${name === name.toUpperCase() ? name : spelt(name)} (${n})`]);
}

function offer(select, options) {
  const drawn = JSON.stringify(options);
  if (select.dataset.drawn === drawn) return;
  const { value } = select;
  select.dataset.drawn = drawn;
  select.replaceChildren(...options.map(([value, label]) => el("option", { value }, label)));
  select.value = value;
}

const nameOf = (id) => (sessions.has(id) ? titleOf(sessions.get(id)) : id);

const beside = matchMedia("(min-width: 62rem)"); // whether the chosen session's panel is beside the list

function choose(id) {
  const before = chosen;
  chosen = id;
  lastSent = "";
  lookAtMessages(id);
  lookAtWebhooks(id);
  if ($("events-one").checked) showPast(id, nameOf);
  $("pairing-code").hidden = $("sent").hidden = true;
  $("pairing-code").textContent = "";
  showSessions();
  showOne(); // a panel that is not drawn yet can be neither focused nor scrolled to
  if (!id) {
    const row = $("sessions").querySelector(`[data-id="${CSS.escape(before)}"]`);
    row?.scrollIntoView({ block: "nearest" });
    row?.querySelector("button").focus({ preventScroll: true });
    return;
  }
  $("one").focus({ preventScroll: true });
  $("one").scrollIntoView({ block: beside.matches ? "nearest" : "start" });
  attempt(() => lookAtCrash(id));
}

function showOne() {
  const s = sessions.get(chosen);
  $("one").hidden = !s;
  watch(s?.status.state === "QR_REQUIRED" ? chosen : "");
  document.body.classList.toggle("chosen", Boolean(s));
  if (!s) return;
  const { status } = s;
  $("one-title").textContent = titleOf(s);
  $("one-state").textContent = status.state;
  $("one-state").className = `state ${kind(status.state)}`;
  $("one-cause").textContent = status.cause === "none" ? "" : spelt(status.cause);
  const facts = [
    ["Id", s.id], ["Desired", status.desired], ["Since", status.since && when(status.since)],
    ["Next attempt in", status.next_retry_at && until(status.next_retry_at)], ["Banned for", status.ban_until && until(status.ban_until)],
    ["New chats refused for", status.restriction_until && until(status.restriction_until)],
    ["Account", status.account && [status.account.push_name, status.account.phone && `+${status.account.phone}`].filter(Boolean).join(", ")],
    ["Linked", status.has_credentials ? "yes: it reconnects without a code" : "no"],
    ["Last failure", status.last_error && `${spelt(status.last_error.cause)}${status.last_error.message ? `: ${status.last_error.message}` : ""}`],
    ["Failed attempts", status.failures ? `${status.failures}${status.max_attempts ? ` of ${status.max_attempts}` : ""}` : ""],
    ["Run", status.incarnation ? `number ${status.incarnation}, ${status.restarts} crashes` : ""],
    ["Proxy", s.proxy], ["Connected", status.connected_at && when(status.connected_at)],
  ].filter(([, value]) => value);
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  $("linking").hidden = status.state === "READY" || status.has_credentials;
  $("sending").hidden = !status.can_send;
  showCode(status);
  lookAtPasskey(s);
  showMessages(s);
  const node = crashed.get(chosen);
  $("crash").hidden = !node?.last_crash && !node?.quarantined;
  if (node) {
    $("crash-what").textContent = node.last_crash ? `${when(node.last_crash.at)}, ${node.last_crash.where}: ${node.last_crash.reason}` : "";
    $("crash-stack").textContent = node.last_crash?.stack ?? "";
    $("crash-stack").closest("details").hidden = !node.last_crash?.stack;
    $("release").hidden = !node.quarantined;
  }
}

function showCode(status) {
  const code = status.state === "QR_REQUIRED" ? codes.get(chosen) : undefined;
  // Said once: the countdown beside the code would be read out every second.
  const news = code?.image ? "A QR to scan is shown." : "";
  if ($("code-news").textContent !== news) $("code-news").textContent = news;
  $("code").hidden = !code?.image;
  $("show-code").hidden = Boolean(code?.image);
  if (!code?.image) return;
  if ($("code-picture").src !== code.image) $("code-picture").src = code.image;
  $("code-left").dataset.until = code.expires_at;
  $("code-left").textContent = left(code.expires_at);
}

// watch follows the session whose code is shown: that is how wasup knows that somebody still looks, and goes on asking
// for codes.
let watched = "", watching;
function watch(id) {
  if (watched === id) return;
  watching?.close();
  watched = id;
  watching = id ? new EventSource(path(id, "/events?types=session.qr")) : undefined;
}

// ask waits for a code. The picture comes with the events, as all later ones do.
const ask = (id, button) => attempt(async () => {
  try {
    await call("GET", path(id, "/qr"));
  } catch (error) {
    if (error.answer?.outcome !== "ready") throw error;
  }
}, button);

async function lookAtCrash(id) {
  const node = await call("GET", `/v1/supervision/${encodeURIComponent(id)}`);
  if (node.last_crash || node.quarantined) crashed.set(id, node);
  else crashed.delete(id);
  draw();
}

async function showTree() {
  const tree = await call("GET", "/v1/supervision?crashed=true&limit=100");
  for (const [id, node] of crashed) if (!tree.items.some((item) => item.id === id) && id !== chosen && !node.quarantined) crashed.delete(id);
  for (const item of tree.items) {
    const known = crashed.get(item.id);
    // The list has no stacks: one that was fetched belongs to the same crash or is dropped.
    if (known?.last_crash?.stack && known.last_crash.at === item.last_crash?.at) item.last_crash.stack = known.last_crash.stack;
    crashed.set(item.id, item);
  }
  const { counts } = tree;
  $("counts").textContent = `${counts.running} of ${counts.sessions} actors run · ${counts.quarantined} in quarantine · ${counts.restarts} crashes since the start`;
  const before = new Map([...$("tree").children].map((node) => [node.dataset.drawn, node]));
  const nodes = tree.items.map((n) => {
    const name = sessions.get(n.id) ? titleOf(sessions.get(n.id)) : n.id;
    const drawn = JSON.stringify([n.id, name, n.restarts, n.last_crash?.at, n.last_crash?.reason, n.quarantined]);
    return before.get(drawn) ?? el("li", { "data-drawn": drawn },
      el("button", { type: "button", class: "name", onclick: () => choose(n.id) }, name),
      el("span", {}, `${n.restarts} crashes${n.last_crash ? ` · ${when(n.last_crash.at)} ${n.last_crash.reason}` : ""}`),
      n.quarantined ? el("button", { type: "button", class: "quiet", onclick: (event) => release(n.id, event.target) }, "Release") : null);
  });
  place($("tree"), nodes.length ? nodes : [el("li", { class: "empty" }, "Nobody crashed since the start.")]);
}

const release = (id, button) => attempt(async () => {
  await call("POST", `/v1/supervision/${encodeURIComponent(id)}/release`);
  await showTree();
  await lookAtCrash(id);
  say(`${id} is released.`);
}, button);

// draw joins what happens in one moment into one drawing.
let drawing;
const pause = () => (sessions.size > 1000 ? 500 : 30); // milliseconds; thousands take their time to be sorted
function draw() {
  drawing ??= setTimeout(() => { drawing = undefined; showSessions(); showOne(); }, pause());
}

let looking;
function lookSoon() {
  clearTimeout(looking);
  looking = setTimeout(() => attempt(async () => { await showTree(); if (sessions.has(chosen)) await lookAtCrash(chosen); draw(); }), 400);
}

function heard(event) {
  const { type, session_id: id, data } = event;
  if (type === "session.removed") {
    sessions.delete(id);
    sorted = undefined;
    codes.delete(id);
    crashed.delete(id);
    if (chosen === id) chosen = "";
  } else if (data.session) {
    keep(data.session);
    if (data.qr) codes.set(id, data.qr);
    if (data.session.status.state !== "QR_REQUIRED") codes.delete(id);
  }
  if (type === "message.status") {
    const message = data.message_id ?? data.id;
    heardOf.delete(message);
    heardOf.set(message, data);
    if (heardOf.size > 500) heardOf.delete(heardOf.keys().next().value);
    if (message === lastSent) tellSent(data);
  }
  if (type !== "session.snapshot") logEvent(event, chosen, nameOf);
  if (type === "message.status" && id === chosen) messageChanged();
  if (type === "session.state") lookSoon();
  draw();
}

// The newest state that was heard of each message. A message may be read before the answer says that it was sent.
const heardOf = new Map();

function tellSent({ state, cause }) {
  $("sent").hidden = false;
  $("sent").textContent = `${lastSent}: ${spelt(state)}${cause ? `, ${spelt(cause)}` : ""}`;
}

// The stream names the kind of each event, and a browser hears only names that it was told.
const types = [
  "session.snapshot", "session.state", "session.qr", "session.removed", "message.received", "message.edited", "message.revoked",
  "message.reaction", "message.poll_vote", "message.event_response", "message.pinned", "message.kept", "message.undecryptable", "message.receipt", "message.status", "call", "group.changed", "timer.changed",
  "session.account_changed",
];

function follow() {
  const source = new EventSource("/v1/events?image=png");
  const state = (on) => {
    $("link").textContent = on ? "live" : "wasup does not answer; trying again…";
    $("link").classList.toggle("on", on);
    if (on) {
      live = true;
      lookSoon();
    }
  };
  source.onopen = () => state(true);
  source.onerror = () => state(false); // the browser tries again by itself
  source.addEventListener("resync", () => { sessions.clear(); codes.clear(); sorted = undefined; draw(); });
  for (const type of types) source.addEventListener(type, (message) => heard(JSON.parse(message.data)));
}

// sure asks before something that cannot be taken back.
function sure(what, yes) {
  $("sure-what").textContent = what;
  $("sure-yes").textContent = yes;
  $("sure").showModal();
  return new Promise((answer) => {
    $("sure-yes").onclick = () => { answer(true); $("sure").close(); };
    $("sure-no").onclick = () => $("sure").close();
    // The end of an earlier question may only be told now.
    $("sure").onclose = () => { if (!$("sure").open) answer(false); };
  });
}

for (const button of document.querySelectorAll("[data-verb]")) {
  button.addEventListener("click", async () => {
    const { verb } = button.dataset;
    const id = chosen;
    if (verb === "logout" && !await sure(`Log ${titleOf(sessions.get(id))} out? Its device is unlinked, and the session needs a new code. Its settings stay.`, "Log out")) return;
    attempt(() => call("POST", path(id, `/${verb}`)), button);
  });
}
$("delete").addEventListener("click", async (event) => {
  const id = chosen;
  if (!await sure(`Delete ${titleOf(sessions.get(id))} and everything it stores? Its device is unlinked.`, "Delete")) return;
  attempt(async () => { await call("DELETE", path(id)); say(`${id} is gone.`); }, event.target);
});
$("show-code").addEventListener("click", (event) => ask(chosen, event.target));
$("release").addEventListener("click", (event) => release(chosen, event.target));
$("one-close").addEventListener("click", () => choose(""));
// A row that is drawn anew between the press and the release of the mouse leaves the click to what both lie in.
$("sessions").addEventListener("click", (event) => {
  const row = event.target.closest("tr") ?? document.elementFromPoint(event.clientX, event.clientY)?.closest("#sessions tr");
  if (row?.dataset.id) choose(row.dataset.id);
});
$("filter").addEventListener("input", () => { first = 0; draw(); });
$("problems").addEventListener("click", () => {
  $("filter").reset();
  $("filter").elements.state.value = "problem";
  [order, turned, first] = ["since", false, 0];
  draw();
  $("filter").scrollIntoView({ block: "nearest" });
});
for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sortBy(button.dataset.sort));
for (const [button, step] of [["previous", -perPage], ["next", perPage]]) {
  $(button).addEventListener("click", () => {
    first = Math.max(0, first + step);
    showSessions();
    $("sessions").closest(".scroll").scrollTop = 0;
  });
}
$("events-one").addEventListener("change", (event) => showPast(event.target.checked ? chosen : "", nameOf));
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("new-open").addEventListener("click", () => $("new").showModal());
$("new-close").addEventListener("click", () => $("new").close());
$("create").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const body = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
    const made = await call("POST", "/v1/sessions", body);
    form.reset();
    $("new").close();
    keep(made);
    choose(made.id);
    ask(made.id);
  }, form.querySelector("button"));
});
$("by-number").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const { code } = await call("POST", path(chosen, "/pairing-code"), { phone: event.target.elements.phone.value });
    $("pairing-code").hidden = false;
    $("pairing-code").textContent = code;
  }, event.target.querySelector("button"));
});
$("send").addEventListener("submit", (event) => {
  event.preventDefault();
  const { to, text } = event.target.elements;
  const id = chosen;
  lastSent = ""; // what becomes of the message before is in the list
  $("sent").hidden = false;
  $("sent").textContent = "Sending…";
  attempt(async () => {
    let message;
    try {
      message = await call("POST", path(id, "/messages?wait=server_ack"), { to: to.value, text: text.value });
    } catch (error) {
      if (id === chosen) $("sent").hidden = true;
      throw error;
    }
    if (id !== chosen) return;
    lastSent = message.id;
    tellSent(heardOf.get(message.id) ?? message);
    messageChanged();
  }, event.target.querySelector("button"));
});
draw();
follow();
showPast("", nameOf);
