import { call } from "./api.js";
import { $, attempt, clock, el, rows, say } from "./dom.js";
import { nameOf, state } from "./app.js";

const limit = 200; // events kept on the page

const spelt = (word) => word.replaceAll("_", " ");

// shortJID omits the server that nearly all JIDs have.
const shortJID = (text) => text?.replaceAll("@s.whatsapp.net", "");

export function logEvent(event) {
  if (event.kind === "fault") attempt(showFaults);
  if ($("events-here").checked && event.account && event.account !== state.number) return;
  const list = $("events");
  list.querySelector(".empty")?.remove();
  const what = [event.account && !event.device ? nameOf(event.account) : "", shortJID(event.device), shortJID(event.detail)].filter(Boolean).join(" · ");
  list.prepend(el("li", {}, el("time", { datetime: event.time }, clock(event.time)),
    el("span", {}, el("b", {}, spelt(event.kind)), what ? ` ${what}` : "")));
  while (list.children.length > limit) list.lastChild.remove();
}

// The kinds of faults, grouped by the phase of a connection, with the fields that each kind uses besides times and
// phone. A kind that is not listed here is offered under Others, with every field.
const kinds = {
  "Connecting": { http_status: ["code"], delay_handshake: ["delay"], bad_certificate: ["variant"] },
  "Pairing": { withhold_qr: [], delay_qr: ["delay"], bad_pair_hmac: [], bad_pair_signature: [], retire_code: ["variant"], no_515: [], close_after_515: [] },
  "Logging in": { login_failure: ["code"], silent_login: [] },
  "Messages": { delay_ack: ["delay"], withhold_ack: [], refuse_ack: ["code"], duplicate_ack: [], withhold_sender_key: [], bad_ciphertext: [], unavailable: ["variant"] },
  "Files": { media_upload: ["code"], media_download: ["code"] },
  "Queries": { delay_iq: ["delay", "match"], withhold_iq: ["match"], refuse_iq: ["code", "match"] },
  "Connection": { no_pong: [], close_at_once: [], half_open: [], malformed_frame: ["variant"], odd_time: ["variant"] },
};
const fields = ["code", "delay", "variant", "match"];

function offerKinds(offered) {
  const known = new Set();
  const groups = Object.entries(kinds).map(([label, of]) => el("optgroup", { label }, Object.keys(of).filter((kind) => offered.includes(kind)).map((kind) => {
    known.add(kind);
    return el("option", { value: kind }, spelt(kind));
  })));
  const others = offered.filter((kind) => !known.has(kind));
  if (others.length) groups.push(el("optgroup", { label: "Others" }, others.map((kind) => el("option", { value: kind }, spelt(kind)))));
  $("kinds").replaceChildren(...groups);
  showFields();
}

// showFields shows only the fields that the chosen kind uses.
function showFields() {
  const used = Object.values(kinds).find((of) => $("kinds").value in of)?.[$("kinds").value] ?? fields;
  for (const name of fields) {
    const field = $("add-fault").elements[name];
    field.closest("label").hidden = !used.includes(name);
    if (!used.includes(name)) field.value = "";
  }
}

async function showFaults() {
  const { faults, kinds: offered } = await call("GET", "/faults");
  if (!$("kinds").children.length) offerKinds(offered);
  $("clear-faults").hidden = faults.length < 2;
  rows($("faults"), faults, (f) => el("li", {},
    el("span", {}, [`${spelt(f.kind)}${f.code ? ` ${f.code}` : ""}`, f.variant, f.match, f.delay, f.account && nameOf(f.account),
      f.count ? `${f.count} left` : "until cleared", `applied ${f.applied}×`].filter(Boolean).join(" · ")),
    el("button", { type: "button", class: "quiet", onclick: (event) => attempt(async () => {
      // Update the list after a failure too: a fault that has just reached its count no longer exists.
      await call("DELETE", `/faults/${encodeURIComponent(f.id)}`).finally(showFaults);
    }, event.target) }, "Clear")), "No active faults.");
}

export async function showCounters() {
  const counters = await call("GET", "/counters");
  const list = [];
  for (const [name, value] of Object.entries(counters)) {
    if (typeof value === "number") list.push([spelt(name), value]);
    else for (const [key, n] of Object.entries(value)) list.push([`${spelt(name)}: ${key}`, n]);
  }
  $("counters").replaceChildren(...list.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

// act returns a click handler that runs an action on the live connections of all phones, or of the selected one.
const act = (path, body, what) => (event) => attempt(async () => {
  const scope = $("only-here").checked && state.number ? { account: state.number } : {};
  const { connections } = await call("POST", `/actions/${path}`, { ...body, ...scope });
  say(`${what}: ${connections} ${connections === 1 ? "connection" : "connections"}.`);
}, event.target);

export function startFaults() {
  $("drop-all").addEventListener("click", act("drop", {}, "Cut"));
  $("half-all").addEventListener("click", act("half-open", {}, "Half open"));
  $("error-all").addEventListener("click", act("stream-error", { code: 503 }, "Stream error 503"));
  $("restart").addEventListener("click", (event) => attempt(async () => {
    await call("POST", "/actions/restart", { down: "3s" });
    say("The server was away for three seconds and is back.");
  }, event.target));
  $("clear-faults").addEventListener("click", (event) => attempt(async () => {
    await call("DELETE", "/faults");
    await showFaults();
  }, event.target));
  $("kinds").addEventListener("change", showFields);
  $("add-fault").addEventListener("submit", (event) => {
    event.preventDefault();
    const { kind, count, code, delay, variant, match, here } = event.target.elements;
    attempt(async () => {
      const fault = { kind: kind.value, count: Number(count.value) };
      if (code.value) fault.code = Number(code.value);
      for (const field of [delay, variant, match]) if (field.value.trim()) fault[field.name] = field.value.trim();
      if (here.checked) fault.account = state.number;
      await call("POST", "/faults", fault);
      await showFaults();
    }, event.target.querySelector("button"));
  });
  attempt(showFaults);
}
