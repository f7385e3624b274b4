import { call } from "./api.js";
import { $, attempt, el, rows, say } from "./dom.js";

const ends = { running: "", done: "done", stopped: "stopped" };

export async function showScenarios() {
  const { scenarios, library } = await call("GET", "/scenarios");
  if (!$("library").children.length) {
    $("library").replaceChildren(...library.map((s) => el("option", { value: s.name, title: s.about }, s.name)));
    tellAbout(library);
    $("library").addEventListener("change", () => tellAbout(library));
  }
  const items = scenarios.toReversed().slice(0, 5).map(({ id, name, state, taken, failed, reports, next }) => ({
    id, name, state, taken, failed, next, last: reports.at(-1)?.what ?? "nothing yet",
  }));
  rows($("scenarios"), items, (s) => el("li", {},
    el("span", {}, el("b", {}, s.name), ` ${[ends[s.state], `${s.taken} steps`, s.failed ? `${s.failed} failed` : "", `last: ${s.last}`, s.next ? `next at ${s.next}` : ""].filter(Boolean).join(" · ")}`),
    s.state === "running" ? el("button", { type: "button", class: "quiet", onclick: (event) => attempt(async () => {
      await call("DELETE", `/scenarios/${encodeURIComponent(s.id)}`);
      await showScenarios();
    }, event.target) }, "Stop") : null), "No scenarios yet.");
}

function tellAbout(library) {
  $("library-about").textContent = library.find((s) => s.name === $("library").value)?.about ?? "";
}

const start = (body, button) => attempt(async () => {
  const { name } = await call("POST", "/scenarios", body);
  await showScenarios();
  say(`${name} begins.`);
}, button);

export function startScenarios() {
  $("play").addEventListener("submit", (event) => {
    event.preventDefault();
    const { name, speed } = event.target.elements;
    start({ name: name.value, speed: Number(speed.value) }, event.target.querySelector("button"));
  });
  $("scenario-choose").addEventListener("click", () => $("scenario-file").click());
  $("scenario-file").addEventListener("change", async ({ target }) => {
    const [file] = target.files;
    if (file) await start({ yaml: await file.text(), speed: Number($("play").elements.speed.value) }, $("scenario-choose"));
    target.value = "";
  });
  attempt(showScenarios);
}
