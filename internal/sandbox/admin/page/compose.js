import { call, phonePath } from "./api.js";
import { $, attempt, base64Of, digitsOf, jpegOf, openDialog } from "./dom.js";
import { nameOf, phone, refresh, state } from "./app.js";
import { send, show } from "./chats.js";
import { summaryOf } from "./bubble.js";

const most = 4e6; // bytes of a file: the API takes 6 MiB, in base64

// What the next text becomes: a new message, a reply to a message, or the new text of one.
let about = null;

function setAbout(what, m, text) {
  about = { what, id: m.id };
  $("about").hidden = false;
  $("about-what").textContent = what === "edit" ? "Edit" : `Reply to ${m.from_me ? "yourself" : nameOf(digitsOf(m.from))}`;
  $("about-text").textContent = summaryOf(m);
  const field = $("write").elements.text;
  if (text !== undefined) field.value = text;
  field.focus();
}

export const answer = (m) => setAbout("quote", m);
export const edit = (m) => setAbout("edit", m, m.text);

export function stopAnswering() {
  if (about?.what === "edit") $("write").elements.text.value = "";
  about = null;
  $("about").hidden = true;
}

// withQuote adds the quote to a message, and ends the reply.
function withQuote(body) {
  if (about?.what === "quote") body.quote = about.id;
  return body;
}

// The typing state is sent again while the user types, as WhatsApp's own clients do.
const tellsAgain = 8000; // milliseconds
let told = { chat: "", at: 0 };

function tell(state_) {
  if (!state.chat || !phone()?.online) return;
  const to = state.chat;
  if (state_ === "composing" && told.chat === to && Date.now() - told.at < tellsAgain) return;
  if (state_ === "paused" && told.chat !== to) return;
  told = state_ === "composing" ? { chat: to, at: Date.now() } : { chat: "", at: 0 };
  // Ignore failures: nobody waits for the result, and a member who has left meanwhile cannot get it.
  call("POST", `${phonePath(state.number)}/chat-state`, { to, state: state_ }).catch(() => {});
}

let leaving = Promise.resolve();

async function sendText(to, text) {
  if (!state.number) throw new Error("Add a phone first: somebody has to write.");
  const body = about?.what === "edit" ? { kind: "edit", target: about.id, text: text.value } : withQuote({ text: text.value });
  if (!state.chat) {
    const number = to.value.replace(/[\s()+-]/g, "");
    await call("POST", `${phonePath(state.number)}/messages`, { to: number, ...body });
    to.value = text.value = "";
    await refresh();
    show(number);
    return;
  }
  // Empty the field at once: a text that the user begins while this one is sent must not be lost.
  const [said, was, chat] = [text.value, about, { from: state.number, to: state.chat }];
  told = { chat: "", at: 0 }; // a message ends the typing by itself
  text.value = "";
  stopAnswering();
  text.focus();
  try {
    leaving = leaving.catch(() => {}).then(() => send(body, chat)); // in the order they were written
    await leaving;
  } catch (error) {
    if (state.chat === chat.to && state.number === chat.from && !text.value && !about) {
      text.value = said;
      about = was;
      $("about").hidden = !was;
    }
    throw error;
  }
}

const kindOf = (file) => ["image", "video", "audio"].find((kind) => file.type.startsWith(`${kind}/`)) ?? "document";

// attach sends a file in the open chat.
export async function attach(file) {
  if (file.size > most) throw new Error("The file is too large: expected at most 4 MB.");
  const kind = file.type === "image/svg+xml" ? "document" : kindOf(file);
  const text = kind === "audio" ? "" : $("write").elements.text.value;
  const media = { data: await base64Of(file), mime: file.type || "application/octet-stream" };
  if (kind === "document") media.file_name = file.name;
  if (kind === "image") {
    const { blob, width, height } = await jpegOf(file, 96);
    Object.assign(media, { width, height, thumbnail: await base64Of(blob) });
  }
  await send(withQuote({ kind, text, media }));
  if (text) $("write").elements.text.value = "";
  stopAnswering();
}

const attachAll = (files) => attempt(async () => { for (const file of files) await attach(file); });

function startAttach() {
  const file = $("attach-file");
  const menu = $("attach-menu");
  $("attach").addEventListener("click", () => {
    menu.showPopover();
    const at = $("attach").getBoundingClientRect();
    menu.style.left = `${at.left}px`;
    menu.style.top = `${at.top - menu.offsetHeight - 6}px`;
    menu.querySelector("button").focus();
  });
  $("attach-choose").addEventListener("click", () => { menu.hidePopover(); file.click(); });
  file.addEventListener("change", async () => { await attachAll([...file.files]); file.value = ""; });
  $("attach-poll").addEventListener("click", () => { menu.hidePopover(); openDialog("poll"); });
  // A file that is dropped on an open chat, or pasted in its text field, is sent. Anywhere else it is read as a QR.
  $("chat").addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    attachAll([...event.dataTransfer.files]);
  });
  $("write").elements.text.addEventListener("paste", (event) => {
    if (!state.chat || !event.clipboardData.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    attachAll([...event.clipboardData.files]);
  });
  $("make-poll").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const { question, options, one } = form.elements;
    attempt(async () => {
      const names = options.value.split("\n").map((line) => line.trim()).filter(Boolean);
      await send({ kind: "poll", text: question.value.trim(), options: names, selectable: one.checked ? 1 : 0 });
      form.reset();
      $("poll").close();
    }, form.querySelector("button:not([type])"));
  });
}

export function startCompose() {
  const form = $("write");
  $("about-cancel").addEventListener("click", () => { stopAnswering(); form.elements.text.focus(); });
  form.elements.text.addEventListener("input", () => tell(form.elements.text.value ? "composing" : "paused"));
  form.elements.text.addEventListener("blur", () => tell("paused"));
  form.elements.text.addEventListener("keydown", (event) => { if (event.key === "Escape") stopAnswering(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { to, text } = form.elements;
    // Do not disable the button: the form would ignore the Enter key, and the next text may follow at once.
    attempt(() => sendText(to, text), state.chat ? undefined : form.querySelector("button:not([type])"));
  });
  startAttach();
}
