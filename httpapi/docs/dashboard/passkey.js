// The passkey of an account that can be linked with nothing else. Browsers use a passkey only on pages of the party it was
// made for, so this page cannot ask for it: it says what to run there, and takes the answer.
import { $, attempt, call, path } from "/dashboard/page.js";

let of = "", due = "";

export async function lookAtPasskey({ id, status }) {
  const step = status.passkey ?? "";
  if (id === of && step === due) return;
  [of, due] = [id, step];
  $("passkey").hidden = true;
  $("passkey-response").reset();
  if (!step) return;
  const passkey = await attempt(() => call("GET", path(id, "/passkey")));
  if (!passkey || id !== of || step !== due || passkey.step !== step) return;
  if (passkey.challenge) ask(passkey.challenge);
  compare(passkey);
  $("passkey-response").hidden = step !== "response";
  $("passkey-confirmation").hidden = step !== "confirmation";
  $("passkey").hidden = false;
}

function ask(challenge) {
  const text = JSON.stringify(challenge);
  $("passkey-party").textContent = challenge.rpId ?? "web.whatsapp.com";
  $("passkey-challenge").textContent = text;
  $("passkey-ask").value = `navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(${text}) }).then((c) => console.log(JSON.stringify(c)))`;
}

function compare({ code, comparison_skipped: skipped }) {
  $("passkey-code").hidden = skipped || !code;
  $("passkey-code").textContent = code ?? "";
  $("passkey-compare").textContent = skipped ? "The passkey was accepted. WhatsApp does not ask to compare codes." : "The passkey was accepted. Does the phone show the same code?";
  $("passkey-confirm").textContent = skipped ? "Link it" : "The codes are the same";
}

$("passkey-copy").addEventListener("click", (event) => attempt(async () => {
  $("passkey-ask").select(); // where the clipboard is refused, Ctrl+C does it
  await navigator.clipboard.writeText($("passkey-ask").value).catch(() => { throw new Error("The browser does not allow copying from here. The text is selected: copy it by hand."); });
}, event.target));

$("passkey-response").addEventListener("submit", (event) => {
  event.preventDefault();
  const { credential } = event.target.elements;
  attempt(async () => {
    let answer;
    try {
      answer = JSON.parse(credential.value);
    } catch {
      throw new Error("The pasted text is not JSON. Copy the whole line of output, from { to }.");
    }
    await call("POST", path(of, "/passkey/response"), answer);
  }, event.submitter);
});
$("passkey-confirm").addEventListener("click", (event) => attempt(() => call("POST", path(of, "/passkey/confirmation")), event.target));
