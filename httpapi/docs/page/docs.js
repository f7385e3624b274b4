// Draws /openapi.json. Everything is put in as text, never as HTML.
'use strict';

const methods = ['get', 'post', 'patch', 'put', 'delete'];

// make builds an element with attributes and children; a string child becomes text.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  for (const child of children.flat()) if (child) element.append(child);
  return element;
}

// prose turns `code` into <code>; the rest stays text.
function prose(text) {
  return (text || '').split('`').map((part, i) => (i % 2 ? make('code', null, part) : part));
}

const nameOf = (schema) => (schema && schema.$ref ? schema.$ref.split('/').pop() : '');

function typeOf(schema) {
  if (!schema) return '';
  const name = nameOf(schema);
  if (name) return make('a', { href: '#schema-' + name }, name);
  const type = [].concat(schema.type || 'any').join(' or ');
  if (schema.type === 'array') return make('span', null, 'array of ', typeOf(schema.items));
  if (schema.oneOf) return make('span', null, schema.oneOf.map((choice, i) => make('span', null, i ? ' or ' : '', typeOf(choice))));
  if (schema.enum) return type + ': ' + schema.enum.join(', ');
  const limits = ['format', 'minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'maxProperties', 'pattern', 'default']
    .filter((key) => schema[key] !== undefined).map((key) => key + ' ' + schema[key]);
  return limits.length ? type + ' (' + limits.join(', ') + ')' : type;
}

function table(head, rows) {
  return make('table', null,
    make('thead', null, make('tr', null, head.map((title) => make('th', null, title)))),
    make('tbody', null, rows.map((cells) => make('tr', null, cells.map((cell) => make('td', null, cell))))));
}

function content(answer) {
  return Object.entries(answer.content || {}).map(([type, media], i) =>
    make('span', null, i ? ', ' : '', make('code', null, type), ' ', typeOf(media.schema)));
}

function examples(body) {
  const json = (body.content || {})['application/json'] || {};
  return Object.entries(json.examples || {}).map(([name, example]) => make('details', { class: 'example' },
    make('summary', null, make('code', null, name), ' ', example.summary),
    make('pre', null, JSON.stringify(example.value, null, 2))));
}

function operation(path, method, op) {
  const body = make('div', null, make('p', null, prose(op.description)));
  if (op.parameters) {
    body.append(make('h4', null, 'Parameters'), table(['name', 'in', 'type', 'meaning'], op.parameters.map((p) => [
      make('code', p.required ? { class: 'required' } : null, p.name), p.in, typeOf(p.schema), prose(p.description)])));
  }
  if (op.requestBody) body.append(make('h4', null, 'Body'), make('p', null, content(op.requestBody)), ...examples(op.requestBody));
  body.append(make('h4', null, 'Answers'), table(['status', 'meaning', 'content'],
    Object.entries(op.responses).map(([status, answer]) => [make('code', null, status), prose(answer.description), make('span', null, content(answer))])));
  return make('details', { id: op.operationId },
    make('summary', null, make('span', { class: 'method ' + method }, method.toUpperCase()), make('code', null, path), make('span', { class: 'what' }, op.summary)),
    body);
}

function schema(name, definition) {
  const required = new Set(definition.required || []);
  const rows = Object.entries(definition.properties || {}).map(([field, of]) => [
    make('code', required.has(field) ? { class: 'required' } : null, field), typeOf(of), prose(of.description)]);
  return make('details', { id: 'schema-' + name }, make('summary', null, make('code', null, name)),
    make('div', null, rows.length ? table(['field', 'type', 'meaning'], rows) : 'Any object.'));
}

function draw(api) {
  document.getElementById('about').append(...prose(api.info.description));
  const main = document.getElementById('operations');
  const contents = make('ul');
  main.replaceChildren();
  for (const tag of api.tags) {
    main.append(make('h2', { id: 'tag-' + tag.name }, tag.name), make('p', null, prose(tag.description)));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of methods) {
        const op = item[method];
        if (!op || !op.tags.includes(tag.name)) continue;
        main.append(operation(path, method, op));
        contents.append(make('li', null, make('a', { href: '#' + op.operationId }, op.summary)));
      }
    }
  }
  main.append(make('h2', { id: 'schemas' }, 'schemas'));
  for (const [name, definition] of Object.entries(api.components.schemas)) main.append(schema(name, definition));
  document.getElementById('contents').append(contents);
  reveal();
}

// reveal opens what the address points at.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.tagName === 'DETAILS') target.open = true;
  target.scrollIntoView();
}

window.addEventListener('hashchange', reveal);
fetch('/openapi.json').then((answer) => {
  if (!answer.ok) throw new Error('HTTP ' + answer.status);
  return answer.json();
}).then(draw).catch((error) => {
  document.getElementById('operations').replaceChildren(make('p', { role: 'alert' }, 'openapi.json could not be read: ' + error.message));
});
