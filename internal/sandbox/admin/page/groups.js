import { call, phonePath } from "./api.js";
import { $, attempt, avatar, digitsOf, el, openDialog, plus, rows, say } from "./dom.js";
import { faceOf, nameOf, phone, refresh, state } from "./app.js";
import { groupOf, show, showChats } from "./chats.js";

const path = () => `${phonePath(state.number)}/groups/${encodeURIComponent(state.chat)}`;

const roles = { superadmin: "made the group", admin: "admin", member: "" };

// showGroup updates the list of members while it is open.
export function showGroup() {
  if (!$("group").open) return;
  const group = groupOf(state.chat);
  if (!group) {
    $("group").close(); // left, or removed by somebody
    return;
  }
  const admin = group.members.some((m) => m.jid === phone()?.jid && m.role !== "member");
  $("group-title").textContent = group.subject;
  $("group-about").textContent = [group.description, group.announce ? "Only admins can write." : "", group.expiration ? "Messages disappear." : ""].filter(Boolean).join(" ");
  const items = group.members.map((m) => {
    const number = digitsOf(m.jid);
    return { jid: m.jid, number, name: m.jid === phone()?.jid ? "You" : nameOf(number), face: faceOf(number), role: m.role, may: admin && m.jid !== phone()?.jid && m.role !== "superadmin" };
  });
  rows($("members"), items, (m) => el("li", {}, avatar(m.name, m.face),
    el("div", {}, m.name, el("small", {}, [plus(m.number), roles[m.role]].filter(Boolean).join(" · "))),
    m.may ? el("button", { type: "button", class: "quiet", onclick: (event) => change(m.role === "admin" ? "demote" : "promote", m.number, event.target) },
      m.role === "admin" ? "Dismiss as admin" : "Make admin") : null,
    m.may ? el("button", { type: "button", class: "quiet", onclick: (event) => change("remove", m.number, event.target) }, "Remove") : null), "No members.");
  const inside = new Set(group.members.map((m) => digitsOf(m.jid)));
  const others = state.phones.filter((p) => !inside.has(p.number));
  $("add-member").hidden = !admin || !others.length;
  const options = others.map((p) => p.number).join();
  const select = $("add-member").elements.member;
  if (select.dataset.drawn !== options) {
    select.dataset.drawn = options;
    select.replaceChildren(...others.map((p) => el("option", { value: p.number }, nameOf(p.number))));
  }
}

const change = (what, member, button) => attempt(async () => {
  await call("POST", `${path()}/members`, { change: what, members: [member] });
  await refresh();
}, button);

export function startGroups() {
  $("new-group").addEventListener("click", () => {
    $("group-people").replaceChildren(...state.phones.filter((p) => p.number !== state.number).map((p) => el("label", { class: "check" },
      el("input", { type: "checkbox", name: "member", value: p.number }), avatar(nameOf(p.number), faceOf(p.number)), nameOf(p.number))));
    openDialog("make-group");
  });
  $("make-group-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
      const members = [...form.querySelectorAll("[name=member]:checked")].map((box) => box.value);
      if (!members.length) throw new Error("Choose at least one phone.");
      const made = await call("POST", `${phonePath(state.number)}/groups`, { subject: form.elements.subject.value.trim(), members });
      form.reset();
      $("make-group").close();
      await refresh();
      show(made.jid);
    }, form.querySelector("button:not([type])"));
  });
  $("group-open").addEventListener("click", () => { openDialog("group"); showGroup(); });
  $("add-member").addEventListener("submit", (event) => {
    event.preventDefault();
    change("add", event.target.elements.member.value, event.target.querySelector("button"));
  });
  $("group-link").addEventListener("click", (event) => attempt(async () => {
    const { link } = await call("GET", `${path()}/link`);
    say(link);
  }, event.target));
  $("leave").addEventListener("click", (event) => attempt(async () => {
    await call("DELETE", path());
    $("group").close();
    state.chat = "";
    await refresh();
    showChats();
  }, event.target));
}
