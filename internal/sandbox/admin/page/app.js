import { call, follow, phonePath } from "./api.js";
import { $, attempt, avatar, el, plus, rows, say } from "./dom.js";
import { heardState, showChats, startChats } from "./chats.js";
import { showCalls, startCalls } from "./calls.js";
import { showDevices, startDevices } from "./devices.js";
import { showGroup, startGroups } from "./groups.js";
import { showProfile, startProfile } from "./profile.js";
import { logEvent, showCounters, startFaults } from "./faults.js";
import { showScenarios, startScenarios } from "./scenarios.js";

// The state of the page: all phones, the number of the selected one, its groups, messages and calls, and its open chat,
// which is the number of the other account or the JID of a group.
export const state = { phones: [], number: "", groups: [], messages: [], calls: [], chat: "" };

export const phone = () => state.phones.find((p) => p.number === state.number);
export const nameOf = (number) => {
  const name = state.phones.find((p) => p.number === number)?.name;
  return name && name !== number ? name : plus(number);
};

// faceOf returns the URL of the profile picture of a number, or undefined. Its id changes with the picture.
export const faceOf = (number) => {
  const picture = state.phones.find((p) => p.number === number)?.picture;
  return picture ? `/sandbox/v1${phonePath(number)}/picture?picture=${picture}` : undefined;
};

const devicesIn = (n) => (n === 1 ? "1 device" : `${n} devices`);

function showPhones() {
  const items = state.phones.map(({ number, devices, online }) => ({
    number, name: nameOf(number), face: faceOf(number), devices: devices.length, online, current: number === state.number,
  }));
  rows($("phones"), items, (p) => el("li", {}, el("button", {
    type: "button", "aria-current": String(p.current), onclick: () => attempt(() => pick(p.number)),
  }, avatar(p.name, p.face), el("span", {}, p.name, el("small", {}, `${plus(p.number)} · ${p.online ? devicesIn(p.devices) : "switched off"}`)))),
  "No phones yet. Add one below.");
  $("numbers").replaceChildren(...state.phones.filter((p) => p.number !== state.number)
    .map((p) => el("option", { value: p.number }, p.name)));
  const current = phone();
  $("phone-title").textContent = current ? nameOf(current.number) : "No phone yet";
  $("phone-number").textContent = current ? [plus(current.number), current.online ? current.about : "switched off"].filter(Boolean).join(" · ") : "Add one under Phones.";
  $("profile-open").disabled = $("script").disabled = !current;
  const face = $("phone-face");
  const drawn = current ? `${nameOf(current.number)} ${faceOf(current.number)}` : "";
  if (face.dataset.drawn !== drawn) {
    face.dataset.drawn = drawn;
    face.replaceChildren(...(current ? [avatar(nameOf(current.number), faceOf(current.number))] : []));
  }
  if (current && document.activeElement !== $("script")) $("script").value = current.script;
}

async function pick(number) {
  Object.assign(state, { number, chat: "", groups: [], messages: [], calls: [] });
  await refresh();
}

// refresh reads everything about the selected phone. That is cheap: the server is on this machine.
export async function refresh() {
  const { phones } = await call("GET", "/phones");
  state.phones = phones;
  if (!phone()) Object.assign(state, { number: phones[0]?.number ?? "", chat: "", groups: [], messages: [], calls: [] });
  const { number } = state;
  const [{ messages }, { groups }, { calls }] = number
    ? await Promise.all(["messages", "groups", "calls"].map((list) => call("GET", `${phonePath(number)}/${list}`)))
    : [{ messages: [] }, { groups: [] }, { calls: [] }];
  if (number !== state.number) return; // another phone was picked meanwhile, and shows itself
  Object.assign(state, { messages, groups, calls });
  showPhones();
  showCalls();
  showChats();
  showDevices();
  showGroup();
  showProfile();
}

// soon merges events that arrive together into one refresh.
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
    say(`${nameOf(made.number)} is added.`);
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
startCalls();
startDevices();
startGroups();
startProfile();
startFaults();
startScenarios();
soon();
follow((event) => {
  logEvent(event);
  if (event.kind === "chat_state") heardState(event);
  else if (event.kind === "scenario") attempt(showScenarios);
  else soon();
}, (on) => {
  $("link").textContent = on ? "live" : "the sandbox is gone; trying again…";
  $("link").classList.toggle("on", on);
  if (on) soon();
});
