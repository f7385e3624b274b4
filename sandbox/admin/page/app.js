import { call, follow, phonePath } from "./api.js";
import { $, attempt, el, plus, rows, say } from "./dom.js";
import { showChats, startChats } from "./chats.js";
import { showDevices, startDevices } from "./devices.js";
import { logEvent, showCounters, startWeather } from "./weather.js";

// What is on the page: the phones, the one in hand, its messages, and the number of the chat that is open on it.
export const state = { phones: [], number: "", messages: [], chat: "" };

export const phone = () => state.phones.find((p) => p.number === state.number);
export const nameOf = (number) => state.phones.find((p) => p.number === number)?.name || plus(number);

function showPhones() {
  const items = state.phones.map(({ number, name, devices }) => ({
    number, name: name === number ? plus(number) : name, devices: devices.length, current: number === state.number,
  }));
  rows($("phones"), items, (p) => el("li", {}, el("button", {
    type: "button", "aria-current": String(p.current), onclick: () => attempt(() => pick(p.number)),
  }, p.name, el("small", {}, `${plus(p.number)} · ${p.devices === 1 ? "1 device" : `${p.devices} devices`}`))),
  "Nobody has a phone yet. Add one below.");
  $("numbers").replaceChildren(...state.phones.filter((p) => p.number !== state.number)
    .map((p) => el("option", { value: p.number }, p.name)));
  const current = phone();
  $("phone-title").textContent = current ? nameOf(current.number) : "No phone yet";
  $("phone-number").textContent = current ? plus(current.number) : "Add one under Phones.";
  $("script").disabled = !current;
  if (current && document.activeElement !== $("script")) $("script").value = current.script;
}

async function pick(number) {
  Object.assign(state, { number, chat: "", messages: [] });
  await refresh();
}

// refresh reads everything of the phone in hand. It is cheap: the server is on this machine.
export async function refresh() {
  const { phones } = await call("GET", "/phones");
  state.phones = phones;
  if (!phone()) Object.assign(state, { number: phones[0]?.number ?? "", chat: "", messages: [] });
  const { number } = state;
  const { messages } = number ? await call("GET", `${phonePath(number)}/messages`) : { messages: [] };
  if (number !== state.number) return; // another phone was picked meanwhile, and shows itself
  state.messages = messages;
  showPhones();
  showChats();
  showDevices();
}

// soon joins the events of one moment into one refresh.
let pending;
function soon() {
  clearTimeout(pending);
  pending = setTimeout(() => attempt(() => Promise.all([refresh(), showCounters()])), 60);
}

function startTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const show = (tab) => tabs.forEach((t) => {
    t.setAttribute("aria-selected", String(t === tab));
    t.tabIndex = t === tab ? 0 : -1;
    $(t.getAttribute("aria-controls")).hidden = t !== tab;
  });
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const next = tabs[(i + 1) % tabs.length]; // there are two
      show(next);
      next.focus();
    });
  });
  show(tabs[0]);
}

$("add-phone").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const { name, number } = form.elements;
  attempt(async () => {
    const made = await call("POST", "/phones", { name: name.value.trim(), number: number.value.replace(/[\s()+-]/g, "") });
    form.reset();
    await pick(made.number);
    say(`${nameOf(made.number)} is on the air.`);
  }, form.querySelector("button"));
});

$("script").addEventListener("change", (event) => attempt(async () => {
  const { selectedOptions: [chosen], value } = event.target;
  await call("PATCH", phonePath(state.number), { script: value });
  await refresh();
  say(`${nameOf(state.number)} ${chosen.textContent} from now on.`);
}));

startTabs();
startChats();
startDevices();
startWeather();
soon();
follow((event) => { logEvent(event); soon(); }, (on) => {
  $("link").textContent = on ? "live" : "the sandbox is gone; trying again…";
  $("link").classList.toggle("on", on);
  if (on) soon();
});
