// Turns as they are read: what was said, what it cost, and what can be done from there.

import { make, sureButton } from './dom.js';
import { bytes, count, milliseconds } from './format.js';

const tries = [
  'My sister is called Greta.',
  'Greta lives in Lima.',
  'Which city does my sister live in?',
];

export function welcome(say) {
  return make('div', { className: 'welcome' },
    make('h2', {}, 'A conversation whose memory is a thing of its own'),
    make('p', {}, 'Tell it facts and ask for them later. Fork a session, rewind it, restart the server: it goes on where it was.'),
    make('div', { className: 'tries' }, ...tries.map(text =>
      make('button', { type: 'button', on: { click: () => say(text) } }, text))));
}

/** A committed turn. `figures` are the live ones of this page's visit, if it saw the turn run. */
export function committedTurn(turn, { isLast, figures, onFork, onRewind, onUndo }) {
  const tools = make('span', { className: 'tools' },
    make('button', { type: 'button', className: 'quiet', title: 'A new session that begins with everything up to here', on: { click: () => onFork(turn.id) } }, 'Fork from here'),
    isLast
      ? sureButton('Undo', 'Forget this turn?', () => onUndo())
      : sureButton('Rewind to here', 'Forget what follows?', () => onRewind(turn.id)));
  return make('article', { className: 'turn' },
    ...turn.messages.map(message => bubble(message.role, message.content)),
    figures?.warning ? make('div', { className: 'warning' }, figures.warning) : null,
    foot(figures ? liveFigures(figures) : storedFigures(turn), tools, turn.finish_reason));
}

/** A turn that is being written. `add` appends text; the page draws once a frame, however fast tokens come. */
export function runningTurn(text) {
  const content = document.createTextNode('');
  const answer = make('div', { className: 'message assistant writing' }, content);
  const status = make('span', {}, 'thinking …');
  const element = make('article', { className: 'turn' }, bubble('user', text), answer, make('div', { className: 'foot' }, status));
  let pending = '';
  let frame = 0;
  let drawn = () => {};
  const draw = () => {
    frame = 0;
    content.appendData(pending);
    pending = '';
    status.textContent = 'writing …';
    drawn();
  };
  return {
    element,
    add(piece) {
      pending += piece;
      frame ||= requestAnimationFrame(draw);
    },
    onDrawn(listener) {
      drawn = listener;
    },
    end(note) {
      cancelAnimationFrame(frame);
      content.appendData(pending);
      pending = '';
      answer.classList.remove('writing');
      status.textContent = note;
    },
  };
}

function bubble(role, content) {
  const known = ['system', 'user', 'assistant', 'tool'].includes(role) ? role : 'system';
  return make('div', { className: `message ${known}`, title: known === 'system' || known === 'tool' ? role : '' }, content);
}

function foot(figures, tools, finishReason) {
  const ended = { length: 'cut at its limit', cancelled: 'stopped' }[finishReason];
  return make('div', { className: 'foot' },
    make('span', { className: 'figures' }, ...figures, ended ? make('span', { className: 'ended' }, ended) : null),
    tools);
}

/** How much of the prompt was restored, at a glance. */
function promptMeter({ promptTokens, cachedTokens }) {
  const meter = make('span', { className: 'prompt-meter' }, make('span', {}));
  meter.firstChild.style.width = `${promptTokens > 0 ? 100 * cachedTokens / promptTokens : 0}%`;
  return meter;
}

function storedFigures(turn) {
  return [figure(count(turn.generated_tokens), turn.generated_tokens === 1 ? 'token' : 'tokens'), figure(count(turn.total_tokens), 'in all')];
}

function liveFigures(live) {
  const source = { device: 'still on the device', store: 'read from the store' }[live.source] ?? 'cached';
  return [
    figure(count(live.generatedTokens), live.generatedTokens === 1 ? 'token' : 'tokens'),
    live.tokensPerSecond > 0 ? figure(count(live.tokensPerSecond), 'tokens/s') : null,
    figure(milliseconds(live.firstTokenMs), 'to the first'),
    make('span', { title: `${count(live.cachedTokens)} prompt tokens ${source}, ${count(live.promptTokens - live.cachedTokens)} computed` },
      promptMeter(live), make('b', {}, `${count(live.cachedTokens)} of ${count(live.promptTokens)}`), ' prompt tokens cached'),
    figure(bytes(live.stateBytes), 'of state'),
  ].filter(Boolean);
}

function figure(value, unit) {
  return make('span', {}, make('b', {}, value), ` ${unit}`);
}
