// @ts-check
// The frame around every page: where one is, whether it is real money, whether what is shown is of now, what needs a
// person, and the kill control under the thumb.

import { get, ifMay, send } from './api.js';
import { byId, fresh, h } from './dom.js';
import { on, onState, single } from './live.js';
import { countdown, keepTime, moment, now, span } from './time.js';
import { badge, field, toast } from './parts.js';
import { killButton, killDialog, rearm } from './kill.js';
import { killWords, modeOf, told } from './words.js';

/** @type {[string, string][]} */
const PLACES = [
  ['index.html', 'Home'],
  ['needs_you.html', 'Needs you'],
  ['order_book.html', 'Orders'],
  ['positions.html', 'Positions'],
  ['place_order.html', 'Place an order'],
  ['option_chain.html', 'Option chain'],
  ['risk.html', 'Risk'],
  ['alerts.html', 'Alerts'],
  ['approvals.html', 'Approvals'],
  ['connect.html', 'Connect'],
  ['order_diagnostics.html', 'Diagnostics'],
  ['accounts.html', 'Accounts'],
  ['audit.html', 'Audit'],
  ['settings.html', 'Settings'],
  ['api.html', 'API'],
];

/** What fits under a thumb. */
const THUMB = ['index.html', 'needs_you.html', 'order_book.html', 'positions.html'];

/** @type {any} */
let seen = null;
/** @type {Set<(overview: any) => void>} */
const readers = new Set();

/** Calls back with every new overview, and with the one that is there. @param {(overview: any) => void} act */
export function onOverview(act) {
  readers.add(act);
  if (seen) act(seen);
}

/** The accounts, as far as they are known yet. @returns {string[]} */
export function accountsKnown() {
  return seen ? seen.accounts.map((/** @type {any} */ account) => account.client_id) : [];
}

/**
 * Keeps a choice of the account in a place, where there are several. Modes change by themselves, and with them the words of the options:
 * what was chosen stays chosen.
 * @param {HTMLElement} place @param {(account: any) => import('./dom.js').Child} alone what stands there for the only one @param {() => void} [after]
 */
export function accountChoice(place, alone, after) {
  onOverview(({ accounts }) => fresh(place, accounts.map((/** @type {any} */ one) => [one.client_id, one.standing.mode, modeOf(one)]), () => {
    const value = place.querySelector('select')?.value;
    queueMicrotask(() => after?.());
    return accounts.length > 1
      ? field({ name: 'client_id', label: 'Account', kind: 'select', value, options: accounts.map((/** @type {any} */ one) => [one.client_id, `${one.client_id} (${modeOf(one)})`]) })
      : alone(accounts[0]);
  }));
}

/** An account's name, for whoever looks at a row: nothing where there is no other account. @param {string} client_id @returns {string | null} */
export function whose(client_id) {
  return accountsKnown().length === 1 ? null : client_id;
}

/** Builds the frame. @param {string} here the page's file name */
export function frame(here) {
  document.body.classList.add('framed');
  const menu = h('button', { type: 'button', class: 'menu', 'aria-expanded': 'false', 'aria-controls': 'nav', on: { click: toggleMenu } }, 'Menu');
  byId('top').replaceChildren(
    h('header', { class: 'top' },
      menu,
      h('a', { class: 'brand', href: 'index.html' }, 'ordergate'),
      h('div', { id: 'modes', class: 'chips' }),
      h('div', { id: 'market', class: 'chips' }),
      h('div', { class: 'spring' }),
      h('div', { id: 'feed', class: 'feed', role: 'status' }),
      h('button', { type: 'button', class: 'icon', 'aria-label': 'Dark or light', title: 'Dark or light', on: { click: turnTheme } }, '◐'),
      h('button', { type: 'button', class: 'icon', 'aria-label': 'Keys', title: 'Keys (?)', on: { click: help } }, '?'),
      killButton('at-top')));
  const link = (/** @type {[string, string]} */ [file, words]) =>
    h('a', { href: file, 'aria-current': file === here ? 'page' : null }, words, file === 'needs_you.html' ? h('span', { class: 'count', data: { needs: '' } }) : null);
  byId('nav').replaceChildren(
    ...PLACES.map(link),
    h('div', { id: 'me', class: 'me' }),
    h('button', { type: 'button', class: 'quiet leave', on: { click: logOut } }, 'Log out'));
  const inThumb = THUMB.map((file) => PLACES.find(([own]) => own === file)).filter((place) => place !== undefined);
  byId('thumb').replaceChildren(
    h('nav', { 'aria-label': 'Short cuts' }, ...inThumb.map(link), killButton('at-thumb')));
  onState((state) => {
    /** @type {Record<string, import('./words.js').Said>} */
    const words = {
      connecting: { word: 'connecting', kind: 'wait' },
      live: { word: 'live', kind: 'ok' },
      polling: { word: 'every 2 s', kind: 'wait' },
      lost: { word: 'no connection', kind: 'bad' },
    };
    byId('feed').replaceChildren(badge(words[state] ?? words.connecting, state === 'lost' ? 'What is shown is of before. It is tried again by itself.' : undefined));
    document.body.classList.toggle('lost', state === 'lost');
  });
  const read = single(async () => {
    try {
      const [overview, attention] = await Promise.all([get('/dashboard/overview'), ifMay('/dashboard/attention')]);
      const waiting = attention?.count ?? 0;
      seen = overview;
      keepTime(overview.as_of);
      show(overview);
      for (const node of document.querySelectorAll('[data-needs]')) node.textContent = waiting > 0 ? String(waiting) : '';
      document.title = document.title.replace(/^\(\d+\) /, waiting > 0 ? `(${waiting}) ` : '');
      if (waiting > 0 && !document.title.startsWith('(')) document.title = `(${waiting}) ${document.title}`;
      for (const act of readers) act(overview);
    } catch {
      // The state of the connection says it.
    }
  });
  on(['session', 'health', 'risk', 'alarms', 'orders'], read);
  read();
  setInterval(() => seen && showMarkets(seen), 1_000);
  keys();
  whoAmI();
}

/** Whose session it is. What it may not do is not offered; that it may not is the server's to say. */
async function whoAmI() {
  try {
    const { user, scopes } = await get('/dashboard/session');
    const may = scopes.includes('control') ? '' : scopes.includes('trade') ? 'may look and trade' : 'may only look';
    byId('me').replaceChildren(h('strong', null, user), may ? h('span', null, may) : '');
    document.body.classList.toggle('no-control', !scopes.includes('control'));
    document.body.classList.toggle('no-trade', !scopes.includes('trade'));
  } catch {
    // Every other read says what is wrong with the session.
  }
}

/** @param {any} overview */
function show(overview) {
  const modes = [...new Map(overview.accounts.map((/** @type {any} */ account) => [modeOf(account), account.is_live])).entries()];
  fresh(byId('modes'), modes, () => modes.map(([words, isLive]) => h('span', { class: `mode ${isLive ? 'real' : 'paper'}` }, words)));
  showMarkets(overview);
  const stops = overview.accounts.flatMap(stopsOf);
  const unheard = overview.accounts.map(unheardOf).filter(Boolean);
  fresh(byId('banners'), [stops, overview.journal_open, overview.clock_behind_until, unheard], () => [
    overview.journal_open ? null : h('div', { class: 'banner bad' }, 'The journal is not open: nothing can be sent.'),
    overview.clock_behind_until ? h('div', { class: 'banner bad' }, 'This machine’s clock stands behind the journal: entries are refused.') : null,
    ...unheard.map((/** @type {string} */ words) => h('div', { class: 'banner bad' }, words)),
    ...stops.map(banner),
  ]);
}

/**
 * That nothing is heard of the broker: what is shown of it is of before, and nothing goes there. @param {any} account @returns {string | null}
 */
function unheardOf(account) {
  const { client_id, session, session_words: words, trouble, positions_age_ms: age, positions_stale: isStale } = account;
  const since = age === null ? 'Its positions were not read yet.' : `What is shown of the broker is of ${age < 60_000 ? 'less than a minute' : span(Math.floor(age / 60_000) * 60_000)} ago.`;
  if (session === 'NOT_READY') return `${client_id}: no broker session, nothing can be sent: ${told(words ?? 'not logged in')}. ${since}`;
  const isRead = account.phase.toUpperCase() === 'OPEN' && session === 'READY';
  return isRead && isStale ? `${client_id}: the broker’s books are not read${trouble ? `: ${told(trouble)}` : ''}. ${since}` : null;
}

/** What stops an account, or a strategy of it. @param {any} account */
function stopsOf(account) {
  const { client_id } = account;
  const stops = [];
  if (account.kill_level > 0) stops.push({ client_id, level: account.kill_level, words: `${client_id}: ${killWords(account.kill_level)}, by ${account.kill_by}: ${account.kill_reason}` });
  for (const [strategy, stop] of Object.entries(/** @type {Record<string, any>} */ (account.strategies_stopped ?? {}))) {
    stops.push({ client_id, strategy, level: stop.level, words: `${strategy} in ${client_id}: ${killWords(stop.level)}, by ${stop.who}: ${stop.reason}` });
  }
  if (account.halt_of_the_day) stops.push({ client_id, words: `${client_id}: no entries until the next trading day: ${told(account.halt_of_the_day.reason)}` });
  if (account.freeze) stops.push({ client_id, words: `${client_id}: exits are frozen. Nothing closes a position. By ${account.freeze.who} since ${moment(account.freeze.since)}: ${told(account.freeze.reason)}` });
  return stops;
}

/** @param {any} stop */
function banner(stop) {
  return h('div', { class: 'banner wait' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, '■'),
    h('span', null, stop.words),
    stop.level ? h('button', { type: 'button', class: 'small', data: { focus: `rearm${stop.client_id}${stop.strategy ?? ''}` }, on: { click: () => rearm(stop) } }, 'Arm again…') : null);
}

/** @param {any} overview */
function showMarkets(overview) {
  const words = overview.markets.map(marketWords);
  fresh(byId('market'), words, () => words.map((/** @type {string} */ text) => h('span', { class: 'chip' }, text)));
}

/** "NSE open · closes in 2:31:04". @param {any} market */
export function marketWords(market) {
  const left = market.until ? Date.parse(market.until) - now() : null;
  switch (market.phase) {
    case 'OPEN': return `${market.exchange} open · closes in ${countdown(left ?? 0)}`;
    case 'PRE_OPEN': return `${market.exchange} pre-open · ${countdown(left ?? 0)}`;
    case 'CLOSING_AUCTION': return `${market.exchange} closing auction · ${countdown(left ?? 0)}`;
    case 'POST_CLOSE': return `${market.exchange} post-close · ${countdown(left ?? 0)}`;
    case 'CLOSED': return `${market.exchange} closed${market.why ? ` (${market.why})` : ''}${left === null ? '' : ` · opens in ${countdown(left)}`}`;
    default: return `${market.exchange}: hours not known`;
  }
}

function toggleMenu() {
  const isOpen = document.body.classList.toggle('menu-open');
  document.querySelector('.menu')?.setAttribute('aria-expanded', String(isOpen));
}

function turnTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  localStorage.setItem('og_theme', root.dataset.theme);
}

async function logOut() {
  try {
    await send('DELETE', '/dashboard/session');
    location.assign('login.html');
  } catch (cause) {
    toast(cause instanceof Error ? cause.message : String(cause), 'bad');
  }
}

/** @type {[string, string][]} */
const KEYS = [
  ['K', 'the kill control; hold K in it to confirm'],
  ['X', 'exit the position of the row that is chosen'],
  ['J and ↓, ↑', 'the next row, the row before'],
  ['Enter', 'open the row that is chosen'],
  ['/', 'search, or filter'],
  ['P', 'place an order'],
  ['C', 'the option chain'],
  ['G', 'the order book'],
  ['?', 'these keys'],
  ['Escape', 'leave a window'],
];

function help() {
  const dialog = h('dialog', { 'aria-labelledby': 'keys-title' },
    h('h2', { id: 'keys-title' }, 'Keys'),
    h('dl', { class: 'keys' }, ...KEYS.flatMap(([key, words]) => [h('dt', null, h('kbd', null, key)), h('dd', null, words)])),
    h('form', { method: 'dialog', class: 'buttons' }, h('button', { class: 'primary' }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Rows that can be chosen by key. */
function rows() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll('main tr[tabindex], main li[tabindex]')]);
}

/** @param {number} step */
function move(step) {
  const all = rows();
  const at = all.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
}

function keys() {
  document.addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const isTyping = target.matches('input, select, textarea') || document.querySelector('dialog[open]') !== null;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = target.closest('tr, li');
    /** @type {Record<string, () => void>} */
    const acts = {
      k: () => killDialog(),
      x: () => /** @type {HTMLElement | null} */ (row?.querySelector('[data-exit]') ?? null)?.click(),
      j: () => move(1),
      arrowdown: () => move(1),
      arrowup: () => move(-1),
      enter: () => target === row && /** @type {HTMLElement | null} */ (row.querySelector('a'))?.click(),
      '/': () => /** @type {HTMLElement | null} */ (document.querySelector('[data-search]'))?.focus(),
      p: () => location.assign('place_order.html'),
      c: () => location.assign('option_chain.html'),
      g: () => location.assign('order_book.html'),
      '?': help,
    };
    const key = event.key.toLowerCase();
    const act = acts[key];
    if (!act || (key.startsWith('arrow') && !row) || (key === 'enter' && target !== row)) return;
    event.preventDefault();
    act();
  });
}
