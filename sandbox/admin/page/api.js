// The admin API as this page needs it. Every failure becomes an Error whose message can be shown.
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
  let response;
  try {
    response = await fetch(base + path, request);
  } catch {
    throw new Error("The sandbox does not answer. Is it still running?");
  }
  const text = await response.text();
  const answer = text ? JSON.parse(text) : {};
  if (!response.ok) throw new Error(answer.error?.message ?? `The sandbox answered ${response.status}.`);
  return answer;
}

export const phonePath = (number) => `/phones/${encodeURIComponent(number)}`;

// follow calls onEvent for everything that happens, and onState when the stream comes and goes.
export function follow(onEvent, onState) {
  const source = new EventSource(base + "/events");
  source.onopen = () => onState(true);
  source.onerror = () => onState(false);
  const take = (message) => {
    try { onEvent(JSON.parse(message.data)); } catch { /* a comment or a heartbeat */ }
  };
  source.onmessage = take;
  for (const kind of kinds) source.addEventListener(kind, take);
}

const kinds = [
  "connected", "pair_device_sent", "paired", "pair_refused", "code_requested", "passkey_demanded", "passkey_code",
  "logged_in", "login_refused", "active", "unlinked", "disconnected", "message", "receipt", "unknown_query", "malformed",
  "fault", "phone",
];
