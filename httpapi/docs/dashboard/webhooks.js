// The webhooks that get the chosen session's events, and how they are getting on.
import { $, attempt, call, el, path, place, until, when } from "/dashboard/page.js";

const most = 10; // webhooks: each is one request more
let of = "";

export function lookAtWebhooks(id) {
  of = id;
  $("hooks").hidden = true;
  if (id) attempt(read);
}

async function read() {
  const id = of;
  const { items } = await call("GET", path(id, `/webhooks?limit=${most}`));
  const hooks = await Promise.all(items.map((hook) => call("GET", `/v1/webhooks/${encodeURIComponent(hook.id)}`)));
  if (id !== of) return;
  place($("hook-list"), hooks.map(itemOf));
  $("hooks").hidden = !hooks.length;
}

setInterval(() => { if (of && document.visibilityState === "visible" && !$("hooks").hidden) read().catch(() => {}); }, 5000); // the stream says that wasup is away

function itemOf({ id, url, description, session_id: own, status }) {
  const { state, backlog, oldest_undelivered_at: oldest, failing_since: failing, next_attempt_at: next, dead_letters: dead, last_attempt: last } = status;
  const look = state === "delivering" ? "good" : state === "paused" ? "wait" : "bad";
  const facts = [
    backlog ? `waiting: ${backlog}${oldest ? `, the oldest since ${when(oldest)}` : ""}` : "nothing waits",
    failing && `failing since ${when(failing)}`, dead ? `dead letters: ${dead}` : "",
    last && `last attempt ${when(last.at)}: ${last.status ?? last.outcome}${last.error ? `, ${last.error}` : ""}`,
  ].filter(Boolean);
  return el("li", { "data-id": id },
    el("p", {}, el("span", { class: `state ${look}` }, state), ` ${description || url}`, next ? [", again in ", until(next)] : null),
    el("p", { class: "soft" }, facts.join(" · ")),
    el("p", { class: "soft id" }, `${id}${own ? "" : " · of every session"}`));
}
