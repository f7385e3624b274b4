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

// rows shows one node for each item. What has not changed keeps its node, and with it the focus and the place in the
// scroll: this runs at every event. Items are what the node is drawn from, so that comparing them is enough.
export function rows(parent, items, draw, whenEmpty) {
  const before = new Map([...parent.children].map((node) => [node.dataset.drawn, node]));
  const focused = parent !== document.activeElement && parent.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.closest("[data-key]")?.dataset.key;
  const nodes = items.map((item) => {
    const drawn = JSON.stringify(item);
    const node = before.get(drawn) ?? draw(item);
    before.delete(drawn);
    node.dataset.drawn = drawn;
    node.dataset.key = item.id ?? item.jid ?? item.number;
    return node;
  });
  if (!nodes.length) nodes.push(el("li", { class: "empty" }, whenEmpty));
  const same = nodes.length === parent.children.length && nodes.every((node, i) => node === parent.children[i]);
  if (same) return;
  parent.replaceChildren(...nodes);
  if (focused) (focused.isConnected ? focused : nodes.find((node) => node.dataset.key === key)?.querySelector("button"))?.focus();
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

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// plus writes a number as people do.
export const plus = (number) => "+" + number;
