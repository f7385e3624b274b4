import { call, phonePath } from "./api.js";
import { $, attempt, avatar, el, rows } from "./dom.js";
import { faceOf, refresh, state } from "./app.js";
import { chatOf, groupOf, titleOf } from "./chats.js";

const path = (id) => `${phonePath(state.number)}/calls/${encodeURIComponent(id)}`;
const live = (c) => c.state === "ringing" || c.state === "accepted";
const kind = (c) => (c.video ? "video call" : "voice call");

// showCalls shows ringing and accepted calls above every view of the phone.
export function showCalls() {
  const items = state.calls.filter(live).map((c) => {
    const chat = chatOf(c);
    return { id: c.id, mine: c.from_me, state: c.state, kind: kind(c), name: titleOf(chat), face: groupOf(chat) ? undefined : faceOf(chat) };
  });
  $("calls").hidden = items.length === 0;
  rows($("calls"), items, (c) => {
    const what = c.state === "accepted" ? `${c.kind}, in progress` : c.mine ? `${c.kind}, calling…` : `${c.kind}, ringing`;
    const button = (label, does, quiet) => el("button", {
      type: "button", class: quiet ? "quiet" : null, "aria-label": `${label}: ${c.name}`,
      onclick: (event) => attempt(() => call("POST", `${path(c.id)}/${does}`).finally(refresh), event.target),
    }, label);
    return el("li", {}, avatar(c.name, c.face), el("div", {}, el("b", {}, c.name), el("small", {}, what)),
      c.mine || c.state === "accepted" ? button("Hang up", "end", true) : [button("Accept", "accept"), button("Decline", "reject", true)]);
  }, "");
}

// callNotes returns the ended calls of a chat as lines between its messages.
export function callNotes(chat) {
  return state.calls.filter((c) => !live(c) && chatOf(c) === chat).map((c) => {
    const how = c.state === "rejected" ? "declined" : c.reason === "timeout" ? (c.from_me ? "no answer" : "missed") : "ended";
    return { id: c.id, time: c.began, note: `${c.from_me ? "Your" : "Their"} ${kind(c)}: ${how}` };
  });
}

export function startCalls() {
  for (const [button, video] of [["call-voice", false], ["call-video", true]]) {
    $(button).addEventListener("click", (event) => attempt(async () => {
      await call("POST", `${phonePath(state.number)}/calls`, { to: state.chat, video });
      await refresh();
    }, event.target));
  }
}
