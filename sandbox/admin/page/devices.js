import { call, phonePath } from "./api.js";
import { $, attempt, el, say } from "./dom.js";
import { phone, refresh, state } from "./app.js";

export function showDevices() {
  const devices = phone()?.devices ?? [];
  $("devices").replaceChildren(...devices.map((d) => el("li", {},
    el("span", { class: d.connected ? "dot on" : "dot", title: d.connected ? "connected" : "away" }),
    el("div", {}, d.platform || "device", el("small", {}, d.jid),
      el("small", {}, d.connected ? "connected" : `away, ${d.queued} waiting for it`)),
    el("button", { type: "button", class: "quiet", onclick: (event) => unlink(d.jid, event.target) }, "Unlink"))));
  if (!devices.length) $("devices").replaceChildren(el("li", { class: "empty" }, "Nothing is linked. Scan the QR of a session below."));
}

const unlink = (jid, button) => attempt(async () => {
  await call("DELETE", `${phonePath(state.number)}/devices/${encodeURIComponent(jid)}`);
  await refresh();
  say("Unlinked. The session will say so.");
}, button);

const link = (body, button) => attempt(async () => {
  if (!state.number) throw new Error("Add a phone first: it needs somebody to scan.");
  const { device } = await call("POST", `${phonePath(state.number)}/scan`, body);
  await refresh();
  say(`Linked as ${device}.`);
}, button);

function picture(files) {
  const file = [...files].find((f) => f.type === "image/png" || f.type === "image/jpeg");
  if (!file) return say("That is no picture of a QR: expected a PNG or a JPEG.", true);
  return link(file);
}

export function startDevices() {
  const drop = $("drop");
  const file = $("file");
  drop.addEventListener("click", () => file.click());
  drop.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    file.click();
  });
  file.addEventListener("change", () => { picture(file.files); file.value = ""; });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    picture(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) picture(event.clipboardData.files);
  });
  $("scan").addEventListener("submit", (event) => {
    event.preventDefault();
    const { code } = event.target.elements;
    if (!code.value.trim()) return say("Paste the code, or drop its picture above.", true);
    link({ code: code.value.trim() }, event.target.querySelector("button")).then(() => { code.value = ""; });
    return undefined;
  });
}
