import { call } from "./api.js";
import { $, attempt, clock, el, say } from "./dom.js";

const limit = 200; // events kept on the page

export function logEvent(event) {
  const list = $("events");
  const what = [event.account, event.device, event.detail].filter(Boolean).join(" · ");
  list.prepend(el("li", {}, el("time", { datetime: event.time }, clock(event.time)),
    el("span", {}, el("b", {}, event.kind.replaceAll("_", " ")), what ? ` ${what}` : "")));
  while (list.children.length > limit) list.lastChild.remove();
  if (event.kind === "fault") showFaults();
}

async function showFaults() {
  const { faults, kinds } = await call("GET", "/faults");
  if (!$("kinds").children.length) $("kinds").replaceChildren(...kinds.map((kind) => el("option", { value: kind }, kind.replaceAll("_", " "))));
  $("faults").replaceChildren(...faults.map((f) => el("li", {},
    el("span", {}, `${f.kind.replaceAll("_", " ")}${f.code ? ` ${f.code}` : ""} · ${f.count ? `${f.count} to go` : "until cleared"} · struck ${f.applied}×`),
    el("button", { type: "button", class: "quiet", onclick: (event) => attempt(async () => {
      await call("DELETE", `/faults/${encodeURIComponent(f.id)}`);
      await showFaults();
    }, event.target) }, "Clear"))));
  if (!faults.length) $("faults").replaceChildren(el("li", {}, "Fair weather: no fault is set."));
}

export async function showCounters() {
  const counters = await call("GET", "/counters").catch(() => null);
  if (!counters) return;
  const rows = Object.entries(counters).filter(([, value]) => typeof value === "number");
  $("counters").replaceChildren(...rows.flatMap(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, String(value))]));
}

const act = (path, body, what) => (event) => attempt(async () => {
  const { connections } = await call("POST", `/actions/${path}`, body);
  say(`${what}: ${connections} ${connections === 1 ? "connection" : "connections"}.`);
}, event.target);

export function startWeather() {
  $("drop-all").addEventListener("click", act("drop", {}, "Cut"));
  $("restart-all").addEventListener("click", act("stream-error", { code: 503, close: true }, "Stream error 503"));
  $("add-fault").addEventListener("submit", (event) => {
    event.preventDefault();
    const { kind, count, code, delay } = event.target.elements;
    attempt(async () => {
      const fault = { kind: kind.value, count: Number(count.value) };
      if (code.value) fault.code = Number(code.value);
      if (delay.value.trim()) fault.delay = delay.value.trim();
      await call("POST", "/faults", fault);
      await showFaults();
    }, event.target.querySelector("button"));
  });
  showFaults().catch((error) => say(error.message, true));
  showCounters();
}
