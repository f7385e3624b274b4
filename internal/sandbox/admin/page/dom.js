// Helpers for the DOM. Text is always set as text, never as HTML: anyone can write a message.
export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

// place makes nodes the children of a parent. It does not move nodes that stay: a node that is removed and added again
// between the press and the release of a mouse button gets no click.
export function place(parent, nodes) {
  const stay = new Set(nodes);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  nodes.forEach((node, i) => { if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null); });
}

// rows shows one node for each item. An unchanged item keeps its node, with focus and scroll position, because rows runs
// at every event. An item contains everything that its node shows, so comparing items is enough.
export function rows(parent, items, draw, whenEmpty) {
  const before = new Map([...parent.children].map((node) => [node.dataset.drawn, node]));
  const focused = parent !== document.activeElement && parent.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.closest("[data-key]")?.dataset.key;
  const nodes = items.map((item) => {
    const drawn = JSON.stringify(item);
    const node = before.get(drawn) ?? draw(item);
    before.delete(drawn);
    node.dataset.drawn = drawn;
    node.dataset.key = item.id ?? item.jid ?? item.number;
    return node;
  });
  if (!nodes.length) nodes.push(el("li", { class: "empty" }, whenEmpty));
  place(parent, nodes);
  if (focused) (focused.isConnected ? focused : nodes.find((node) => node.dataset.key === key)?.querySelector("button"))?.focus();
}

let hide;
export function say(text, bad = false) {
  const node = $("say");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  if (node.matches(":popover-open")) node.hidePopover();
  node.showPopover(); // anew, so that it lies above a dialog that was opened meanwhile
  clearTimeout(hide);
  hide = setTimeout(() => node.hidePopover(), bad ? 9000 : 4000);
}

// attempt runs a function, shows its error, and disables the button while it runs.
export async function attempt(work, button) {
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

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// plus adds the plus that people write before a number.
export const plus = (number) => "+" + number;

// digitsOf returns the digits of a JID, of an account or a group.
export const digitsOf = (jid) => jid.split(/[@:.]/)[0];

export function sizeOf(bytes) {
  const unit = bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / unit[0]).toFixed(bytes / unit[0] < 10 ? 1 : 0)} ${unit[1]}`;
}

export const timeOf = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

// avatar returns a picture, or the initials of a name on a colour that follows from the name.
export function avatar(name, src) {
  if (src) return el("img", { class: "avatar", src, alt: "" });
  const letters = name.replace(/^\+/, "").split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  let hue = 0;
  for (const letter of name) hue = (hue * 5 + letter.codePointAt(0)) % 7;
  return el("span", { class: `avatar hue${hue}`, "aria-hidden": "true" }, /^\d/.test(letters) ? letters[0] : letters);
}

// openDialog shows a dialog. A click outside or the Escape key closes it.
export function openDialog(id) {
  const dialog = $(id);
  dialog.showModal();
  return dialog;
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
}

// jpegOf turns a picture file into a JPEG of at most the given width and height. A square one is cropped to its middle.
export async function jpegOf(file, most, square = false) {
  const bitmap = await createImageBitmap(file).catch(() => { throw new Error("The browser cannot read this picture."); });
  const { width, height } = bitmap;
  const side = Math.min(width, height);
  const [w, h] = square ? [side, side] : [width, height];
  const scale = Math.min(1, most / Math.max(w, h));
  const canvas = el("canvas", { width: Math.max(1, Math.round(w * scale)), height: Math.max(1, Math.round(h * scale)) });
  const ground = canvas.getContext("2d");
  ground.fillStyle = "#fff"; // a JPEG has no transparency
  ground.fillRect(0, 0, canvas.width, canvas.height);
  ground.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.8); });
  return { blob, width, height };
}

// base64Of reads a file as base64, which is how the API takes bytes.
export async function base64Of(blob) {
  const url = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new Error("The file cannot be read."));
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
}
