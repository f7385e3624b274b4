import { call, phonePath } from "./api.js";
import { $, attempt, avatar, jpegOf, openDialog, say } from "./dom.js";
import { faceOf, nameOf, phone, refresh, state } from "./app.js";

// showProfile updates an open profile. It keeps a text that is being edited.
export function showProfile() {
  const current = phone();
  if (!$("profile").open || !current) return;
  const drawn = `${current.number} ${current.picture}`;
  if ($("profile-face").dataset.drawn !== drawn) {
    $("profile-face").dataset.drawn = drawn;
    $("profile-face").replaceChildren(avatar(nameOf(current.number), faceOf(current.number)));
  }
  $("profile-name").textContent = nameOf(current.number);
  $("picture-remove").hidden = !current.picture;
  $("online").checked = current.online;
}

export function startProfile() {
  const about = $("profile-about").elements.about;
  $("profile-open").addEventListener("click", () => {
    openDialog("profile");
    about.value = phone()?.about ?? "";
    showProfile();
  });
  $("profile-about").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      await call("PATCH", phonePath(state.number), { about: about.value });
      await refresh();
      say("The about text is saved.");
    }, event.target.querySelector("button"));
  });
  $("picture-choose").addEventListener("click", () => $("picture-file").click());
  $("picture-file").addEventListener("change", ({ target }) => attempt(async () => {
    const [file] = target.files;
    if (!file) return;
    const { blob } = await jpegOf(file, 640, true);
    await call("PUT", `${phonePath(state.number)}/picture`, blob);
    await refresh();
  }).finally(() => { target.value = ""; }));
  $("picture-remove").addEventListener("click", (event) => attempt(async () => {
    await call("DELETE", `${phonePath(state.number)}/picture`);
    await refresh();
  }, event.target));
  $("online").addEventListener("change", (event) => attempt(async () => {
    const online = event.target.checked;
    await call("PATCH", phonePath(state.number), { online });
    await refresh();
    say(online ? `${nameOf(state.number)} is switched on and gets the messages that waited.` : `${nameOf(state.number)} is switched off: messages wait until it is back.`);
  }));
}
