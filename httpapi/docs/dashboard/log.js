// What happens: the newest events of all sessions, or of one, with those that were stored before the page was opened.
// Texts of messages stay where they are: this page is about sessions.
import { $, call, clock, el, path, spelt } from "/dashboard/page.js";

const most = 200; // events that are drawn
const few = 50; // stored ones that are looked for
const full = 500; // events on a page of the API
let turn = 0, drawn = new Set();

function lineOf({ type, data }) {
  if (type === "session.state") return data.session ? `${data.session.status.state}, ${spelt(data.session.status.cause)}` : "";
  if (type === "session.qr") return "a new code";
  if (type === "message.status") return [data.message_id ?? data.id, data.state, data.cause].filter(Boolean).join(" ");
  if (type === "message.receipt") return [data.ids?.join(" "), data.status].filter(Boolean).join(" ");
  return [data.id, data.state].filter(Boolean).join(" ");
}

const itemOf = (event, nameOf) => el("li", { "data-event": event.id }, el("time", { datetime: event.at, title: new Date(event.at).toLocaleString() }, clock(event.at)),
  el("span", {}, el("b", {}, nameOf(event.session_id)), ` ${event.type} `, el("span", { class: "soft" }, lineOf(event))));

export function logEvent(event, chosen, nameOf) {
  if ($("events-one").checked && event.session_id !== chosen || drawn.has(event.id)) return;
  drawn.add(event.id);
  const list = $("events");
  list.querySelector(".empty")?.remove();
  list.prepend(itemOf(event, nameOf));
  while (list.children.length > most) {
    drawn.delete(list.lastChild.dataset.event);
    list.lastChild.remove();
  }
}

// showPast begins the list anew with what is stored, of one session or of all. What happens meanwhile stays above it.
export async function showPast(id, nameOf) {
  const mine = ++turn;
  drawn = new Set();
  $("events").replaceChildren(el("li", { class: "empty" }, "Nothing yet."));
  const found = await past(id).catch(() => []); // the stream says that wasup is away
  if (mine !== turn) return;
  for (const event of found.slice(-most).reverse()) {
    if (drawn.has(event.id)) continue;
    drawn.add(event.id);
    $("events").querySelector(".empty")?.remove();
    $("events").append(itemOf(event, nameOf));
  }
}

// past reads the newest stored events. Pages go forwards, so the log is searched in spans from its end: each longer than
// the one before until enough is found, and halved where it holds more than a page.
async function past(id) {
  const base = id ? path(id, "/events") : "/v1/events";
  const { next: end } = await call("GET", `${base}?limit=1&after=${Number.MAX_SAFE_INTEGER}`);
  let found = [], to = Number(end);
  for (let span = most; to > 0 && found.length < few; span *= 8) {
    let from = Math.max(0, to - span), part, whole;
    do {
      const page = await call("GET", `${base}?limit=${full}&after=${from}`);
      part = page.items.filter((event) => Number(event.id) <= to); // what came meanwhile is heard as it comes
      whole = part.length < full;
      if (!whole) from = Math.floor((from + to) / 2);
    } while (!whole);
    found = [...part, ...found];
    to = from;
  }
  return found;
}
