// Small helpers over the document. Text is always set as text, never as HTML: messages come from anywhere.
export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

let hide;
export function say(text, bad = false) {
  const node = $("say");
  node.textContent = text;
  node.classList.toggle("bad", bad);
  node.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { node.hidden = true; }, bad ? 9000 : 4000);
}

// attempt runs something that may fail, shows why it did, and keeps a button from being pressed twice meanwhile.
export async function attempt(work, button) {
  if (button) button.disabled = true;
  try {
    return await work();
  } catch (error) {
    say(error.message, true);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// grouped writes digits as people read them.
export const grouped = (number) => "+" + number.replace(/(\d{2})(?=(\d{3})+$)/, "$1 ").replace(/(\d{3})(?=\d)/g, "$1 ").trim();
