// The page: which session is shown, and what happens when somebody speaks.
// The address's fragment names the session, so that reload and back do what one expects.

import { byId, make, sureButton } from './dom.js';
import { bytes, count, plural, sessionName, turnName } from './format.js';
import { ApiError, LostError, call, events, onKeyNeeded } from './api.js';
import { committedTurn, runningTurn, welcome } from './transcript.js';
import * as sessions from './sessions.js';

const page = {
  id: null,          // the shown session's name; null for one that has yet to begin
  session: null,     // as the server has it
  running: null,     // the turn that this page waits for: { abort, view }
  figures: new Map() // turn id -> what its run cost, for turns seen running
};

const path = (id, action = '') => `/v1/sessions/${encodeURIComponent(id)}${action}`;
const wait = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

// --- The shown session ---

async function open() {
  const id = fragment();
  page.running?.abort.abort();
  page.running = null;
  page.id = id;
  page.session = null;
  hideNotice();
  closeDrawer();
  sessions.select(id);
  draw();
  if (id !== null) await reload(id);
  byId('input').focus({ preventScroll: true });
}

function fragment() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null; // not one of our links
  }
}

/** Reads the session again, and again while a turn of it runs somewhere else. */
async function reload(id) {
  for (;;) {
    let session = null;
    try {
      session = await call(path(id));
    } catch (error) {
      if (page.id !== id) return;
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    if (page.id !== id || page.running) return;
    page.session = session;
    draw();
    if (!session?.running_turn) return;
    await wait(700);
  }
}

function draw() {
  const { session, id } = page;
  const turns = session?.turns ?? [];
  byId('title').textContent = id ?? 'New session';
  document.title = id ? `${id} · Loire` : 'Loire';
  drawFacts(session);
  byId('actions').replaceChildren(...(session ? [sureButton('Delete', 'Delete it?', () => attempt(remove))] : []));
  byId('transcript').replaceChildren(...(turns.length > 0
    ? turns.map((turn, index) => committedTurn(turn, {
        isLast: index === turns.length - 1,
        figures: page.figures.get(turn.turn_id),
        onFork: at => attempt(() => fork(at)),
        onRewind: to => attempt(() => rewind({ to })),
        onUndo: () => attempt(() => rewind({ turns: 1 })),
      }))
    : session?.running_turn ? [] : [welcome(say)]));
  setBusy(Boolean(page.running));
  toEnd();
}

function drawFacts(session) {
  byId('facts').replaceChildren(...(!session ? ['Nothing is stored until you speak.'] : [
    [plural(session.turn_count, 'turn'), plural(session.tokens, 'token'), ...(session.state_bytes > 0 ? [`${bytes(session.state_bytes)} of state`] : [])].join(' · '),
    ...(session.running_turn ? [' · a turn is running'] : session.resident ? [' · ', make('span', { className: 'resident' }, 'on the device')] : [' · in the store']),
    ...(session.forked_from ? [` · forked from ${session.forked_from}`] : []),
  ]));
}

// --- Turns ---

function say(text) {
  if (!page.running && text.trim() !== '') attempt(() => run(text, turnName()));
}

/** Runs one turn. A retry has the same id: it joins the turn, or replays it, and never speaks twice. */
async function run(text, turnId) {
  hideNotice();
  if (page.id === null) {
    page.id = sessionName();
    history.replaceState(null, '', `#${page.id}`);
    byId('title').textContent = page.id;
    sessions.select(page.id);
  }
  const id = page.id;
  const turn = { abort: new AbortController(), view: runningTurn(text) };
  page.running = turn;
  setBusy(true);
  byId('transcript').querySelector('.welcome')?.remove();
  byId('transcript').append(turn.view.element);
  turn.view.onDrawn(follow());
  toEnd();
  let retry = null;
  try {
    await stream(id, text, turnId, turn);
    turn.view.end('');
  } catch (error) {
    turn.view.end(turn.abort.signal.aborted ? 'stopped' : error.status >= 400 ? 'refused' : 'broken off');
    if (!turn.abort.signal.aborted) retry = error;
  }
  if (page.running !== turn) return; // the page shows another session by now
  page.running = null;
  setBusy(false);
  if (retry) {
    failTurn(retry, text, turnId, turn);
    return;
  }
  await Promise.all([reload(id), sessions.refresh()]);
}

async function stream(id, text, turnId, turn) {
  const body = { session_id: id, turn_id: turnId, messages: [{ role: 'user', content: text }], stream: true, stream_options: { include_usage: true } };
  for await (const item of events('/v1/chat/completions', body, turn.abort.signal)) {
    const piece = item.choices[0]?.delta?.content;
    if (piece) turn.view.add(piece);
    if (item.usage) page.figures.set(turnId, figuresOf(item));
  }
}

function figuresOf({ usage, loire }) {
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details.cached_tokens,
    generatedTokens: usage.completion_tokens,
    source: loire.cached_source,
    tokensPerSecond: loire.tokens_per_second,
    firstTokenMs: loire.first_token_ms,
    stateBytes: loire.state_bytes,
    warning: loire.warning,
  };
}

function failTurn(error, text, turnId, turn) {
  const again = () => {
    turn.view.element.remove();
    attempt(() => run(text, turnId));
  };
  showNotice(error.message, 'Try again', again);
}

// --- What can be done to a session ---

async function fork(at) {
  const made = await call(path(page.id, '/fork'), { method: 'POST', body: { id: sessionName(), at } });
  location.hash = encodeURIComponent(made.id);
  await sessions.refresh();
}

async function rewind(request) {
  page.session = await call(path(page.id, '/rewind'), { method: 'POST', body: request });
  draw();
  await sessions.refresh();
}

async function remove() {
  await call(path(page.id), { method: 'DELETE' });
  history.replaceState(null, '', location.pathname);
  await open();
  await sessions.refresh();
}

// --- Small things ---

/** Runs what a click asked for; what goes wrong is said in words. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (!(error instanceof ApiError || error instanceof LostError)) console.error(error);
    showNotice(error.message);
  }
}

function showNotice(text, label = 'Close', act = hideNotice) {
  byId('notice').replaceChildren(make('p', {}, text), make('button', { type: 'button', on: { click: act } }, label));
  byId('notice').hidden = false;
}

function hideNotice() {
  byId('notice').hidden = true;
}

function setBusy(busy) {
  byId('send').hidden = busy;
  byId('stop').hidden = !busy;
  for (const button of document.querySelectorAll('.tools button, .actions button')) button.disabled = busy;
}

function toEnd() {
  const scroll = byId('scroll');
  scroll.scrollTop = scroll.scrollHeight;
}

/** Keeps the end in view for as long as the reader is there. */
function follow() {
  const scroll = byId('scroll');
  let atEnd = true;
  scroll.onscroll = () => {
    atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  };
  return () => {
    if (atEnd) toEnd();
  };
}

function closeDrawer() {
  setDrawer(false);
}

function setDrawer(openIt) {
  byId('sidebar').classList.toggle('open', openIt);
  byId('veil').hidden = !openIt;
  byId('menu').setAttribute('aria-expanded', String(openIt));
}

async function health() {
  const sign = byId('health');
  try {
    await call('/health/ready');
    sign.className = 'health up';
    sign.textContent = 'ready';
    sign.title = '';
  } catch (error) {
    sign.className = 'health down';
    sign.textContent = error instanceof LostError ? 'away' : 'not ready';
    sign.title = error.message;
  }
}

async function showModel() {
  const [model] = (await call('/v1/models')).data;
  byId('model').replaceChildren(...(model ? [make('b', {}, model.id), `${model.family} · ${count(model.context_tokens)} tokens of context`] : ['No model is served yet.']));
}

let askedKey = null;

/** Asks once, however many calls are waiting for the answer. */
function askForKey(wasWrong) {
  askedKey ??= new Promise(resolve => {
    const dialog = byId('key-dialog');
    byId('key-title').textContent = wasWrong ? 'That key was not accepted' : 'This server asks for a key';
    dialog.oncancel = event => event.preventDefault(); // there is nothing to see without one
    byId('key-form').onsubmit = () => {
      askedKey = null;
      resolve(byId('key').value.trim());
    };
    dialog.showModal();
  });
  return askedKey;
}

function listen() {
  const input = byId('input');
  byId('composer').addEventListener('submit', event => {
    event.preventDefault();
    const text = input.value;
    if (page.running || text.trim() === '') return;
    input.value = '';
    say(text);
  });
  input.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId('composer').requestSubmit();
  });
  byId('stop').addEventListener('click', () => page.running?.abort.abort());
  byId('new-session').addEventListener('click', () => {
    if (location.hash.length > 1) location.hash = '';
    else attempt(open);
  });
  byId('more-sessions').addEventListener('click', () => attempt(sessions.older));
  byId('menu').addEventListener('click', () => setDrawer(true));
  byId('veil').addEventListener('click', closeDrawer);
  addEventListener('hashchange', () => attempt(open));
  addEventListener('keydown', event => {
    if (event.key === 'Escape') closeDrawer();
  });
}

onKeyNeeded(askForKey);
listen();
attempt(open);
attempt(sessions.refresh);
attempt(showModel);
health();
setInterval(health, 10_000);
