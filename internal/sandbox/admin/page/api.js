// A client of the admin API. Every failure becomes an Error with a message that can be shown.
const base = "/sandbox/v1";

export async function call(method, path, body) {
  const request = { method, headers: { Accept: "application/json" } };
  if (body instanceof Blob) {
    request.headers["Content-Type"] = body.type;
    request.body = body;
  } else if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response, text;
  try {
    response = await fetch(base + path, request);
    text = await response.text();
  } catch {
    throw new Error("The sandbox does not answer. Is it still running?");
  }
  let answer = {};
  try { answer = text ? JSON.parse(text) : {}; } catch { /* reported below */ }
  if (!response.ok) throw new Error(inWords(answer.error) ?? `The sandbox answered ${response.status}.`);
  return answer;
}

// inWords turns an error of the API into a sentence.
function inWords(error) {
  if (!error) return undefined;
  const what = error.code === "invalid" && error.field ? `${error.field}: ${error.message}` : error.message;
  return what.charAt(0).toUpperCase() + what.slice(1) + ".";
}

export const phonePath = (number) => `/phones/${encodeURIComponent(number)}`;

// follow calls onEvent for every event, and onState when the stream connects or ends.
export function follow(onEvent, onState) {
  const source = new EventSource(base + "/events");
  source.onopen = () => onState(true);
  source.onerror = () => onState(false); // the browser tries again by itself
  for (const kind of kinds) source.addEventListener(kind, (message) => onEvent(JSON.parse(message.data)));
}

// The stream names the kind of each event, and a browser delivers only the names that were registered.
const kinds = [
  "connected", "pair_device_sent", "paired", "pair_refused", "code_requested", "code_retired", "code_retired_acked", "passkey_demanded", "passkey_code",
  "logged_in", "login_refused", "active", "unlinked", "disconnected", "message", "receipt", "chat_state", "call", "unknown_query", "malformed",
  "fault", "group", "peer", "app_state", "history", "upload", "download", "phone", "server_down", "server_up", "profile", "scenario",
];
