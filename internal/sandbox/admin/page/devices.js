import { call, phonePath } from "./api.js";
import { $, attempt, el, rows, say } from "./dom.js";
import { nameOf, phone, refresh, state } from "./app.js";

export function showDevices() {
  rows($("devices"), phone()?.devices ?? [], (d) => el("li", {},
    el("span", { class: d.connected ? "dot on" : "dot" }),
    el("div", {}, d.platform || "device", el("small", {}, d.jid),
      el("small", {}, d.connected ? "connected" : `away, ${d.queued} waiting for it`)),
    el("button", { type: "button", class: "quiet", onclick: (event) => unlink(d.jid, event.target) }, "Unlink")),
  state.number ? "No linked devices. Scan the QR of a session below." : "Add a phone first.");
  $("remove").disabled = !state.number;
}

const unlink = (jid, button) => attempt(async () => {
  await call("DELETE", `${phonePath(state.number)}/devices/${encodeURIComponent(jid)}`);
  await refresh();
  say("Unlinked. The session logs out.");
}, button);

// link gives a code, or a picture of one, to the phone and shows the result.
const link = (route, body, button) => attempt(async () => {
  if (!state.number) throw new Error("Add a phone first: somebody has to scan.");
  say("Linking…");
  const { device } = await call("POST", `${phonePath(state.number)}/${route}`, body);
  await refresh();
  say(`Linked as ${device}.`);
  return true;
}, button);

function picture(files) {
  const file = [...files].find((f) => f.type === "image/png" || f.type === "image/jpeg");
  if (file) link("scan", file);
  else say("That is not a picture of a QR: expected a PNG or a JPEG.", true);
}

// A pairing code is short. Anything longer is the text of a QR.
const pairingCode = /^[0-9a-z]{4}[\s-]?[0-9a-z]{4}$/i;

export function startDevices() {
  const drop = $("drop");
  const file = $("file");
  drop.addEventListener("click", () => file.click());
  drop.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    file.click();
  });
  file.addEventListener("click", (event) => event.stopPropagation()); // it lies within what opens it
  file.addEventListener("change", () => { picture(file.files); file.value = ""; });
  // The browser must not leave the page to show a file that is dropped anywhere.
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    picture(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) picture(event.clipboardData.files);
  });
  $("scan").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = event.target.elements.code;
    const code = field.value.trim();
    if (await link(pairingCode.test(code) ? "code" : "scan", { code }, event.target.querySelector("button"))) field.value = "";
  });
  $("remove").addEventListener("click", (event) => {
    if (!confirm(`Throw ${nameOf(state.number)}'s phone away? What is linked to it is unlinked.`)) return;
    attempt(async () => {
      await call("DELETE", phonePath(state.number));
      await refresh();
    }, event.target);
  });
}
