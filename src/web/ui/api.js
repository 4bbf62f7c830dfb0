// @ts-check
// Every request of the pages goes through here: one place for credentials, deadlines and what went wrong.

/** How long an answer may take. */
const PATIENCE_MS = 15_000;

/** Why a request was not done, with what to do about it. */
export class Problem extends Error {
  /** @param {number} status @param {{ code?: string, detail?: string, remedy?: string, [more: string]: any }} body */
  constructor(status, body) {
    super(body.detail ?? `the answer was ${status}`);
    this.status = status;
    this.code = body.code ?? 'unknown';
    this.remedy = body.remedy ?? '';
    this.body = body;
  }
}

/** @type {() => void} */
let unreachable = () => {};

/** Calls when a read got no answer at all. @param {() => void} act */
export function onUnreachable(act) {
  unreachable = act;
}

/** What the login says of an act that the end of the session cut off. @type {'' | 'no' | 'unknown'} */
let done = '';

/** To the login, and back to this page after it. @param {string} method what was refused there */
function toLogin(method) {
  if (location.pathname.endsWith('/login.html')) return;
  if (method !== 'GET') done = 'no';
  // A window that is swept away may have asked for something already.
  else if (document.querySelector('dialog[open]')) done ||= 'unknown';
  const here = location.pathname.split('/').pop() + location.search;
  location.assign(`/dashboard/web/login.html?next=${encodeURIComponent(here)}${done ? `&done=${done}` : ''}`);
}

/**
 * @param {string} method @param {string} path @param {unknown} [body] @param {{ anonymous?: boolean, headers?: Record<string, string> }} [how]
 * @returns {Promise<any>}
 */
export async function send(method, path, body, how = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const response = await fetch(path, {
      method,
      signal: stop.signal,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...how.headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text === '' ? null : readable(text);
    if (response.ok) return answer;
    if (response.status === 401 && !how.anonymous) toLogin(method);
    throw new Problem(response.status, answer ?? {});
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    const detail = stop.signal.aborted ? `ordergate did not answer within ${PATIENCE_MS / 1000} s` : 'ordergate cannot be reached';
    if (method === 'GET') unreachable();
    const remedy = method === 'GET' ? 'it is tried again by itself' : 'look at the order book before you send it again: it may have arrived';
    throw new Problem(0, { code: 'unreachable', detail, remedy });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A read as it comes, whatever its status: for who wants to see the answer itself.
 * @param {string} path
 * @returns {Promise<{ status: number, ms: number, kind: string, text: string }>}
 */
export async function raw(path) {
  const from = performance.now();
  const response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  const text = await response.text();
  return { status: response.status, ms: performance.now() - from, kind: response.headers.get('Content-Type') ?? '', text };
}

/** @param {string} text */
function readable(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) };
  }
}

/**
 * A read; what it answers with is of the type that the API's description says.
 * @template {string} Path
 * @param {Path} path @param {Record<string, string | number | null | undefined>} [query] @returns {Promise<ReadOf<Path>>}
 */
export function get(path, query = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) asked.set(name, String(value));
  }
  const text = asked.toString();
  return send('GET', text ? `${path}?${text}` : path);
}

/** What this session may not read: it is not asked for again. @type {Set<string>} */
const refused = new Set();

/**
 * A read that a key for some accounts or strategies may not do: nothing then, and the rest of the page is shown all the same.
 * @template {string} Path
 * @param {Path} path @returns {Promise<ReadOf<Path> | null>}
 */
export async function ifMay(path) {
  if (refused.has(path)) return null;
  try {
    return await get(path);
  } catch (cause) {
    if (!(cause instanceof Problem) || cause.code !== 'not_for_this_key') throw cause;
    refused.add(path);
    return null;
  }
}

/** @param {string} path @param {unknown} body */
export function post(path, body) {
  return send('POST', path, body);
}

/**
 * A key for one act of a person: however often the same act is sent, it is one order.
 * @returns {string}
 */
export function actKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
