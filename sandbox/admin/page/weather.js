import { call } from "./api.js";
import { $, attempt, clock, el, rows, say } from "./dom.js";
import { nameOf, state } from "./app.js";

const limit = 200; // events kept on the page

const spelt = (word) => word.replaceAll("_", " ");

// shortJID leaves out the server that nearly all JIDs have.
const shortJID = (text) => text?.replaceAll("@s.whatsapp.net", "");

export function logEvent(event) {
  const list = $("events");
  list.querySelector(".empty")?.remove();
  const what = [event.account && !event.device ? nameOf(event.account) : "", shortJID(event.device), shortJID(event.detail)].filter(Boolean).join(" · ");
  list.prepend(el("li", {}, el("time", { datetime: event.time }, clock(event.time)),
    el("span", {}, el("b", {}, spelt(event.kind)), what ? ` ${what}` : "")));
  while (list.children.length > limit) list.lastChild.remove();
  if (event.kind === "fault") attempt(showFaults);
}

async function showFaults() {
  const { faults, kinds } = await call("GET", "/faults");
  if (!$("kinds").children.length) $("kinds").replaceChildren(...kinds.map((kind) => el("option", { value: kind }, spelt(kind))));
  rows($("faults"), faults, (f) => el("li", {},
    el("span", {}, [`${spelt(f.kind)}${f.code ? ` ${f.code}` : ""}`, f.delay, f.account && nameOf(f.account),
      f.count ? `${f.count} to go` : "until cleared", `struck ${f.applied}×`].filter(Boolean).join(" · ")),
    el("button", { type: "button", class: "quiet", onclick: (event) => attempt(async () => {
      // One that has struck for the last time meanwhile is gone as well.
      await call("DELETE", `/faults/${encodeURIComponent(f.id)}`).finally(showFaults);
    }, event.target) }, "Clear")), "Fair weather: no fault is set.");
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

const act = (path, body, what) => (event) => attempt(async () => {
  const { connections } = await call("POST", `/actions/${path}`, body);
  say(`${what}: ${connections} ${connections === 1 ? "connection" : "connections"}.`);
}, event.target);

export function startWeather() {
  $("drop-all").addEventListener("click", act("drop", {}, "Cut"));
  $("restart-all").addEventListener("click", act("stream-error", { code: 503 }, "Stream error 503"));
  $("add-fault").addEventListener("submit", (event) => {
    event.preventDefault();
    const { kind, count, code, delay, here } = event.target.elements;
    attempt(async () => {
      const fault = { kind: kind.value, count: Number(count.value) };
      if (code.value) fault.code = Number(code.value);
      if (delay.value.trim()) fault.delay = delay.value.trim();
      if (here.checked) fault.account = state.number;
      await call("POST", "/faults", fault);
      await showFaults();
    }, event.target.querySelector("button"));
  });
  attempt(showFaults);
}
