// The operator's page, over /v1 and nothing else. Text is always set as text, never as HTML: names come from anywhere.
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

async function call(method, path, body) {
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
function say(text, bad = false) {
  const node = $("say");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  if (node.matches(":popover-open")) node.hidePopover();
  node.showPopover();
  clearTimeout(hide);
  hide = setTimeout(() => node.hidePopover(), bad ? 10000 : 4000);
}

async function attempt(work, button) {
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

// What is known: sessions by id, the code that each shows, who crashed, and which session is chosen.
const sessions = new Map();
const codes = new Map();
const crashed = new Map();
let chosen = "", lastSent = "", live = false;

const path = (id, rest = "") => `/v1/sessions/${encodeURIComponent(id)}${rest}`;
const spelt = (word) => word.replaceAll("_", " ");
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const when = (time) => (new Date(time).toDateString() === new Date().toDateString() ? clock(time) : `${new Date(time).toLocaleDateString()} ${clock(time)}`);
const left = (time) => {
  const seconds = Math.max(0, Math.ceil((Date.parse(time) - Date.now()) / 1000));
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min` : seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${seconds} s`;
};
const kind = (state) => (state === "READY" ? "good" : /QR|INIT|RECONN/.test(state) ? "busy" : state === "DISCONNECTED_RECOVERABLE" ? "wait" : "bad");
const titleOf = (s) => s.name || s.id;

// A countdown is an element that knows until when it counts; all of them tick together.
const until = (time) => el("span", { "data-until": time }, left(time));
setInterval(() => {
  for (const node of document.querySelectorAll("[data-until]")) node.textContent = left(node.dataset.until);
}, 1000);

const page = 200; // rows and events that are drawn
const inOrder = new Intl.Collator(undefined, { numeric: true });

function matching() {
  const { q, state } = $("filter").elements;
  const word = q.value.trim().toLowerCase().replace(/^\+/, "");
  return [...sessions.values()].filter((s) => (!state.value || s.status.state === state.value)
    && (!word || [s.id, s.name, s.status.account?.phone].some((text) => text?.toLowerCase().includes(word))))
    .sort((a, b) => inOrder.compare(a.id, b.id));
}

// place makes nodes the children of a parent. What stays is not moved: a node that is taken out and put back between the
// press and the release of a mouse is not clicked.
function place(parent, nodes) {
  const stay = new Set(nodes);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  nodes.forEach((node, i) => { if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null); });
}

function showSessions() {
  const all = matching();
  const before = new Map([...$("sessions").children].map((node) => [node.dataset.drawn, node]));
  const focused = document.activeElement?.closest("#sessions tr")?.dataset.id;
  const rows = all.slice(0, page).map((s) => {
    const { state, cause, since, next_retry_at: next, restarts, account } = s.status;
    const node = crashed.get(s.id);
    const item = [s.id, s.name, state, cause, since, next, restarts, account?.phone, node?.quarantined, s.id === chosen];
    const drawn = JSON.stringify(item);
    return before.get(drawn) ?? el("tr", { "data-drawn": drawn, "data-id": s.id, "aria-current": s.id === chosen ? "true" : null },
      el("td", {}, el("button", { type: "button", class: "name" }, titleOf(s)), el("small", {}, [s.name ? s.id : "", account?.phone && `+${account.phone}`].filter(Boolean).join(" · "))),
      el("td", {}, el("span", { class: `state ${kind(state)}` }, state), node?.quarantined && cause !== "quarantined" ? el("span", { class: "state bad" }, "quarantined") : null),
      el("td", {}, spelt(cause)), el("td", {}, since ? el("time", { datetime: since }, when(since)) : "—"),
      el("td", {}, next ? until(next) : "—"), el("td", {}, String(restarts)));
  });
  if (!rows.length) rows.push(el("tr", {}, el("td", { colspan: "6", class: "empty" }, sessions.size ? "No session fits." : live ? "No session yet. New session makes one and shows its QR." : "Reading…")));
  place($("sessions"), rows);
  if (focused && !document.activeElement?.closest("#sessions")) $("sessions").querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.focus();
  $("more").hidden = all.length <= page;
  $("more").textContent = `${all.length - page} more: narrow it down above.`;
  const count = (of) => [...sessions.values()].filter((s) => s.status.state === of).length;
  const states = [...new Set([...sessions.values()].map((s) => s.status.state))].sort();
  $("summary").textContent = sessions.size ? `${count("READY")} of ${sessions.size} sessions are READY` : live ? "no sessions" : "";
  const select = $("filter").elements.state;
  const options = ["", ...states, ...(select.value && !states.includes(select.value) ? [select.value] : [])];
  const labels = options.map((state) => (state ? `${state} (${count(state)})` : "every state"));
  if (select.dataset.drawn !== labels.join()) {
    const value = select.value;
    select.dataset.drawn = labels.join();
    select.replaceChildren(...options.map((state, i) => el("option", { value: state }, labels[i])));
    select.value = value;
  }
}

function choose(id) {
  chosen = id;
  lastSent = "";
  $("pairing-code").hidden = $("sent").hidden = true;
  draw();
  if (!id) return;
  $("one").focus({ preventScroll: true });
  $("one").scrollIntoView({ block: "nearest" });
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
  $("one-cause").textContent = spelt(status.cause);
  const facts = [
    ["Id", s.id], ["Asked for", status.desired], ["Since", status.since && when(status.since)],
    ["Next attempt in", status.next_retry_at && until(status.next_retry_at)], ["Banned for", status.ban_until && until(status.ban_until)],
    ["New chats refused for", status.restriction_until && until(status.restriction_until)],
    ["Account", status.account && [status.account.push_name, status.account.phone && `+${status.account.phone}`].filter(Boolean).join(", ")],
    ["Linked", status.has_credentials ? "yes: it comes back without a code" : "no"],
    ["Last failure", status.last_error && `${spelt(status.last_error.cause)}${status.last_error.message ? `: ${status.last_error.message}` : ""}`],
    ["Failed attempts", status.failures ? `${status.failures}${status.max_attempts ? ` of ${status.max_attempts}` : ""}` : ""],
    ["Run", status.incarnation ? `number ${status.incarnation}, ${status.restarts} supervised restarts` : ""],
    ["Proxy", s.proxy], ["Connected", status.connected_at && when(status.connected_at)],
  ].filter(([, value]) => value);
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  $("linking").hidden = status.state === "READY" || status.has_credentials;
  $("sending").hidden = !status.can_send;
  showCode(status);
  $("passkey").hidden = !status.passkey;
  if (status.passkey) $("passkey").textContent = "WhatsApp asks for the account's passkey. It is answered over the API: /docs, passkey.";
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
  $("counts").textContent = `${counts.running} of ${counts.sessions} actors run · ${counts.quarantined} in quarantine · ${counts.restarts} restarts since the start`;
  const before = new Map([...$("tree").children].map((node) => [node.dataset.drawn, node]));
  const nodes = tree.items.map((n) => {
    const name = sessions.get(n.id) ? titleOf(sessions.get(n.id)) : n.id;
    const drawn = JSON.stringify([n.id, name, n.restarts, n.last_crash?.at, n.last_crash?.reason, n.quarantined]);
    return before.get(drawn) ?? el("li", { "data-drawn": drawn },
      el("button", { type: "button", class: "name", onclick: () => choose(n.id) }, name),
      el("span", {}, `${n.restarts} restarts${n.last_crash ? ` · ${when(n.last_crash.at)} ${n.last_crash.reason}` : ""}`),
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

// What an event says in one line. Message texts stay where they are: this page is about sessions.
function lineOf({ type, data }) {
  if (type === "session.state") return data.session ? `${data.session.status.state}, ${spelt(data.session.status.cause)}` : "";
  if (type === "session.qr") return "a new code";
  if (type === "message.status") return [data.message_id ?? data.id, data.state, data.cause].filter(Boolean).join(" ");
  return data.id ?? "";
}

function logEvent(event) {
  if ($("events-one").checked && event.session_id !== chosen) return;
  const list = $("events");
  list.querySelector(".empty")?.remove();
  const s = sessions.get(event.session_id);
  list.prepend(el("li", {}, el("time", { datetime: event.at }, clock(event.at)),
    el("span", {}, el("b", {}, s ? titleOf(s) : event.session_id), ` ${event.type} `, el("span", { class: "soft" }, lineOf(event)))));
  while (list.children.length > page) list.lastChild.remove();
}

function heard(event) {
  const { type, session_id: id, data } = event;
  if (type === "session.removed") {
    sessions.delete(id);
    codes.delete(id);
    crashed.delete(id);
    if (chosen === id) chosen = "";
  } else if (data.session) {
    sessions.set(id, data.session);
    if (data.qr) codes.set(id, data.qr);
    if (data.session.status.state !== "QR_REQUIRED") codes.delete(id);
  }
  if (type === "message.status" && lastSent && (data.message_id ?? data.id) === lastSent) tellSent(data.state, data.cause);
  if (type !== "session.snapshot") logEvent(event);
  if (type === "session.state") lookSoon();
  draw();
}

function tellSent(state, cause) {
  $("sent").hidden = false;
  $("sent").textContent = `${lastSent}: ${spelt(state)}${cause ? `, ${spelt(cause)}` : ""}`;
}

// The stream names the kind of each event, and a browser hears only names that it was told.
const types = [
  "session.snapshot", "session.state", "session.qr", "session.removed", "message.received", "message.edited", "message.revoked",
  "message.reaction", "message.poll_vote", "message.undecryptable", "message.receipt", "message.status", "call", "group.changed",
];

function follow() {
  const source = new EventSource("/v1/events?image=png");
  const state = (on) => {
    $("link").textContent = on ? "live" : "wasup is away; trying again…";
    $("link").classList.toggle("on", on);
    if (on) {
      live = true;
      lookSoon();
    }
  };
  source.onopen = () => state(true);
  source.onerror = () => state(false); // the browser tries again by itself
  source.addEventListener("resync", () => { sessions.clear(); codes.clear(); draw(); });
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
    if (verb === "logout" && !await sure(`Log ${titleOf(sessions.get(id))} out? Its device is unlinked and needs a new code. Its settings stay.`, "Log out")) return;
    attempt(() => call("POST", path(id, `/${verb}`)), button);
  });
}
$("delete").addEventListener("click", async (event) => {
  const id = chosen;
  if (!await sure(`Delete ${titleOf(sessions.get(id))} with everything of it? Its device is unlinked.`, "Delete")) return;
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
$("filter").addEventListener("input", draw);
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
    sessions.set(made.id, made);
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
  attempt(async () => {
    const message = await call("POST", path(chosen, "/messages?wait=server_ack"), { to: to.value, text: text.value });
    lastSent = message.id;
    tellSent(message.state, message.cause);
  }, event.target.querySelector("button"));
});
draw();
follow();
