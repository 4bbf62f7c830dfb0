// @ts-check
// What changes, as it changes: the server's stream of events. While there is none, the pages ask again every two seconds,
// and say so. After every break everything is read anew, so that no row is missed. A stream that says nothing at all, or beside which
// a read gets no answer, is not believed: what is shown as of now is of now.

import { onUnreachable, send } from './api.js';

/** @typedef {'orders' | 'positions' | 'pnl' | 'risk' | 'alarms' | 'session' | 'health'} Topic */

/** @type {Topic[]} */
const TOPICS = ['orders', 'positions', 'pnl', 'risk', 'alarms', 'session', 'health'];
const POLL_MS = 2_000;
/** Also while the stream is up: ages and clocks move on without an event. */
const HEARTBEAT_MS = 15_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000];
/** The server says something every fifteen seconds, if only that nothing happens: after so many seconds of silence the stream is dead. */
const SILENT_S = 40;

/** @type {Set<{ topics: Topic[], act: (changed: any[]) => void }>} */
const readers = new Set();
/** @type {Set<(state: State) => void>} */
const watchers = new Set();
/** @typedef {'connecting' | 'live' | 'polling' | 'lost'} State */
/** @type {State} */
let state = 'connecting';
let tries = 0;

/**
 * Calls back when something of these topics may have changed; with the rows that changed, as far as they were told.
 * @param {Topic[]} topics @param {(changed: any[]) => void} act @returns {() => void} ends it
 */
export function on(topics, act) {
  const reader = { topics, act };
  readers.add(reader);
  return () => void readers.delete(reader);
}

/** Calls back with each state of the connection, and with the present one. @param {(state: State) => void} act */
export function onState(act) {
  watchers.add(act);
  act(state);
}

/** @param {State} next */
function become(next) {
  if (state === next) return;
  const was = state;
  state = next;
  for (const act of watchers) act(state);
  if (next === 'live' && was !== 'connecting') tellAll();
}

/** @param {Topic} topic @param {any[]} changed */
function tell(topic, changed) {
  for (const reader of readers) if (reader.topics.includes(topic)) reader.act(changed);
}

function tellAll() {
  for (const reader of readers) reader.act([]);
}

/** @type {EventSource | null} */
let stream = null;
/** So many seconds nothing came of it. */
let silent = 0;

/** Something came of the stream: it lives. @param {EventSource} source */
function heard(source) {
  if (source !== stream) return;
  silent = 0;
  tries = 0;
  become('live');
}

/** A dead stream is one that says nothing: it is left, and another one opened. */
function watch() {
  if (!stream || document.hidden) return;
  silent += 1;
  if (silent < SILENT_S) return;
  silent = 0;
  stream.close();
  stream = null;
  become('lost');
  open();
}

/** A browser has six connections to one address over all its tabs: a tab that nobody sees holds none of them. */
function onSight() {
  if (document.hidden) {
    stream?.close();
    stream = null;
    return;
  }
  if (!stream) open();
  tellAll();
}

function open() {
  if (document.hidden || stream) return;
  const source = new EventSource('/dashboard/events');
  stream = source;
  silent = 0;
  for (const name of ['open', 'ping']) source.addEventListener(name, () => heard(source));
  for (const topic of TOPICS) {
    source.addEventListener(topic, (event) => {
      heard(source);
      let changed = [];
      try {
        changed = JSON.parse(/** @type {MessageEvent} */ (event).data).changed ?? [];
      } catch {
        changed = [];
      }
      tell(topic, changed);
    });
  }
  source.addEventListener('error', () => {
    if (stream === source && state === 'live') become('lost');
    // The browser tries again by itself after a break, with the last id; after a refusal it does not.
    if (stream !== source || source.readyState !== EventSource.CLOSED) return;
    stream = null;
    const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];
    tries += 1;
    setTimeout(open, wait);
  });
}

const isLive = () => state === 'live';

async function poll() {
  if (!isLive() && !document.hidden) {
    try {
      await send('GET', '/health/live');
      // The stream may have come back meanwhile.
      if (!isLive()) {
        become('polling');
        tellAll();
      }
    } catch {
      become('lost');
    }
  }
  setTimeout(poll, POLL_MS);
}

/** Calls again and again: prices move without anything being committed, so that no event tells of them. @param {() => void} act */
export function often(act) {
  setInterval(() => isLive() && !document.hidden && act(), POLL_MS);
}

/** Begins to listen. */
export function listen() {
  open();
  setTimeout(poll, POLL_MS);
  setInterval(() => isLive() && !document.hidden && tellAll(), HEARTBEAT_MS);
  setInterval(watch, 1_000);
  onUnreachable(() => become('lost'));
  document.addEventListener('visibilitychange', onSight);
}

/**
 * Makes one reader of a slow read: while it runs, and for a moment after it, further calls become one more run.
 * @param {() => Promise<void>} read @param {number} [pause_ms]
 */
export function single(read, pause_ms = 500) {
  let isRunning = false;
  let isWanted = false;
  return async function again() {
    if (isRunning) {
      isWanted = true;
      return;
    }
    isRunning = true;
    isWanted = false;
    try {
      await read();
    } finally {
      setTimeout(() => {
        isRunning = false;
        if (isWanted) again();
      }, pause_ms);
    }
  };
}
