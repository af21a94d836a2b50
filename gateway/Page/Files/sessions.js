// The list of sessions.

import { byId, make } from './dom.js';
import { ago, bytes, count } from './format.js';
import { call } from './api.js';

const pageSize = 40;
let shown = [];
let next = null;
let current = null;

/** Reads the newest sessions again; what was paged in stays as long as the list still holds it. */
export async function refresh() {
  const page = await call(`/v1/sessions?limit=${Math.min(200, Math.max(pageSize, shown.length))}`);
  shown = page.data;
  next = page.next;
  draw();
}

export async function older() {
  if (next === null) return;
  const page = await call(`/v1/sessions?limit=${pageSize}&after=${encodeURIComponent(next)}`);
  const known = new Set(shown.map(session => session.id));
  shown = shown.concat(page.data.filter(session => !known.has(session.id)));
  next = page.next;
  draw();
}

export function select(id) {
  current = id;
  draw();
}

function draw() {
  const list = byId('sessions');
  list.replaceChildren(...(shown.length === 0
    ? [make('p', {}, 'No session yet. The first message makes one.')]
    : shown.map(item)));
  byId('more-sessions').hidden = next === null;
}

function item(session) {
  const link = make('a', { className: 'session', href: `#${encodeURIComponent(session.id)}`, title: session.id },
    make('b', {}, session.id),
    make('small', {},
      make('span', {}, `${count(session.tokens)} tok`),
      session.state_bytes > 0 ? make('span', {}, `· ${bytes(session.state_bytes)}`) : null,
      session.forked_from ? make('span', { title: `Forked from ${session.forked_from}` }, '· fork') : null,
      make('span', {}, ago(session.updated_at))));
  if (session.id === current) link.setAttribute('aria-current', 'page');
  return link;
}
