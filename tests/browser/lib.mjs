// What the tests share: a real engine with the paper broker, a real browser in front of it, and waiting with a deadline.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const ROOT = resolve(import.meta.dirname, '../..');
const BINARY = process.env.ORDERGATE_BINARY ?? join(ROOT, 'target/debug/ordergate');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export const KEY = 'a-key-of-the-browser-tests';
export const SECRET = 'a-secret-of-the-browser-tests';
export const DEADLINE_MS = 60_000;

/** The pages of the frame, by file. */
export const PAGES = ['index', 'needs_you', 'order_book', 'positions', 'place_order', 'option_chain', 'risk', 'alerts', 'approvals', 'connect', 'order_diagnostics', 'accounts', 'audit', 'settings', 'api'];

/** Asks again until it is so. */
export async function until(words, is, deadline_ms = DEADLINE_MS) {
  const end = Date.now() + deadline_ms;
  let last;
  for (;;) {
    try {
      const found = await is();
      if (found) return found;
      last = found;
    } catch (cause) {
      last = cause;
    }
    assert.ok(Date.now() < end, `${words}: not so within ${deadline_ms} ms (${last})`);
    await new Promise((done) => setTimeout(done, 40));
  }
}

/** A running engine in a directory of its own. */
export class Engine {
  constructor(env = {}) {
    this.directory = mkdtempSync(join(tmpdir(), 'ordergate-browser-'));
    this.env = env;
    this.listen = '127.0.0.1:0';
    this.said = '';
  }

  /** Starts it; again on the address that it had, after the first time. */
  async start() {
    assert.ok(existsSync(BINARY), `${BINARY} is missing: cargo build`);
    this.process = spawn(BINARY, ['serve'], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        ORDERGATE__STORAGE__DIRECTORY: join(this.directory, 'data'),
        ORDERGATE__SERVER__LISTEN: this.listen,
        ORDERGATE__WATCHER__POLL_MS: '200',
        ORDERGATE__LOG__LEVEL: 'warn',
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stderr.on('data', (text) => { this.errors = `${this.errors ?? ''}${text}`; });
    const lines = createInterface({ input: this.process.stdout });
    lines.on('line', (line) => { this.said += `${line}\n`; });
    await until('the engine says where it listens', () => {
      assert.equal(this.process.exitCode, null, `it ended: ${this.errors}`);
      this.listen = /http:\/\/(127\.0\.0\.1:\d+)/.exec(this.said)?.[1] ?? this.listen;
      return this.listen !== '127.0.0.1:0';
    });
    this.base = `http://${this.listen}`;
    await until('the accounts are open', async () => {
      const { accounts } = await this.get('/health/ready');
      return accounts?.length > 0 && accounts.every((account) => account.phase === 'OPEN');
    });
    return this;
  }

  /** SIGKILL: nothing is flushed, nothing is closed. */
  async kill() {
    const gone = new Promise((done) => this.process.once('exit', done));
    this.process.kill('SIGKILL');
    await gone;
  }

  async close() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async get(path) {
    const response = await fetch(this.base + path, { headers: { Authorization: `Bearer ${KEY}` } });
    return response.json();
  }

  post(path, body) {
    return this.send('POST', path, body);
  }

  async send(method, path, body) {
    const response = await fetch(this.base + path, { method, headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  }

  /** Sends an order and waits for its end, or until it rests. */
  async order(more = {}) {
    const body = { strategy: 'manual', execution_type: 'ENTRY', exchange: 'NSE', symbol: 'RELIANCE-EQ', side: 'BUY', quantity: '10', product: 'MIS', order_type: 'MARKET', ...more };
    const { body: answer } = await this.post('/dashboard/intent/generic', body);
    const id = answer.orders?.[0]?.command_id;
    assert.ok(id, JSON.stringify(answer));
    return until('the order is at its place', async () => {
      const { order } = await this.get(`/dashboard/orders/${id}`);
      return order.status === 'EXECUTED' || order.status === 'FAILED' || order.broker_order_id ? order : null;
    });
  }
}

/** An engine whose key and secret the tests know. */
export function known(env = {}) {
  return new Engine({ ORDERGATE__API__KEY: KEY, ORDERGATE__WEBHOOK__SECRET: SECRET, ...env });
}

/** The simulated broker, and what an engine must be told to trade there. */
export class Simulator {
  async start() {
    this.process = spawn(BINARY, ['simulate-broker', '--listen', '127.0.0.1:0'], { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    createInterface({ input: this.process.stdout }).on('line', (line) => { said += `${line}\n`; });
    const address = await until('the simulator says where it listens', () => /listens on (127\.0\.0\.1:\d+)/.exec(said)?.[1]);
    this.base = `http://${address}`;
    const noren = {
      SIMULATOR: 'true', UID: 'FA00001', VENDOR_CODE: 'FA00001_U', AUTH: 'quickauth', PASSWORD: 'sim-password', TOTP_SECRET: 'JBSWY3DPEHPK3PXP', API_KEY: 'sim-key',
      HOST: this.base, REST_PREFIX: '/NorenWClientTP/', SOCKET_URL: `ws://${address}/NorenWSTP/`,
    };
    this.env = { ORDERGATE__ACCOUNTS__0__NAME: 'SIM1', ORDERGATE__ACCOUNTS__0__BROKER: 'noren' };
    for (const [name, value] of Object.entries(noren)) this.env[`ORDERGATE__ACCOUNTS__0__NOREN__${name}`] = value;
    return this;
  }

  /** What goes wrong next. */
  async fault(rule) {
    const response = await fetch(`${this.base}/sim/faults`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(rule) });
    assert.ok(response.ok, await response.text());
  }

  close() {
    this.process.kill('SIGKILL');
  }
}

/** A browser with nothing in it. `troubles` holds what its console and its network complained of. */
export class Browser {
  static async open({ width = 1280, height = 900, dark = true, touch = false } = {}) {
    const browser = new Browser();
    browser.profile = mkdtempSync(join(tmpdir(), 'ordergate-profile-'));
    browser.context = await chromium.launchPersistentContext(browser.profile, {
      executablePath: CHROMIUM, headless: true, args: FLAGS, viewport: { width, height }, colorScheme: dark ? 'dark' : 'light',
      hasTouch: touch, isMobile: touch, locale: 'en-IN', timezoneId: 'America/New_York',
    });
    browser.context.setDefaultTimeout(DEADLINE_MS);
    browser.page = browser.context.pages()[0] ?? (await browser.context.newPage());
    browser.troubles = [];
    browser.isCalm = true;
    browser.page.on('console', (message) => {
      if (browser.isCalm && ['error', 'warning'].includes(message.type())) browser.troubles.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    browser.page.on('pageerror', (error) => browser.troubles.push(`thrown: ${error.stack ?? error}`));
    return browser;
  }

  /** Opens a page of the dashboard; logs in with the key first. */
  async open(engine, name = 'index.html') {
    if (this.loggedInAt !== engine.base) {
      await this.logIn(engine);
      this.loggedInAt = engine.base;
    }
    await this.page.goto(`${engine.base}/dashboard/web/${name}`);
    await this.page.locator('main h1').first().waitFor({ state: 'attached' });
    return this.page;
  }

  async logIn(engine) {
    await this.page.goto(`${engine.base}/dashboard/web/login.html`);
    await this.page.getByLabel('API key').fill(KEY);
    await this.page.getByRole('button', { name: 'Log in with the key' }).click();
    await this.page.waitForURL('**/index.html');
  }

  /** While the engine is down on purpose, the console complains rightly. */
  async inTrouble(act) {
    this.isCalm = false;
    try {
      return await act();
    } finally {
      this.isCalm = true;
    }
  }

  /** What axe finds on the page as it is. */
  async axe() {
    if (!(await this.page.evaluate(() => 'axe' in window))) {
      const { readFileSync } = await import('node:fs');
      await this.page.evaluate(readFileSync(AXE, 'utf8'));
    }
    const found = await this.page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    return found.violations.map((one) => `${one.id} (${one.impact}): ${one.help}\n${one.nodes.slice(0, 3).map((node) => `   ${node.target.join(' ')}: ${node.failureSummary?.replace(/\s+/g, ' ')}`).join('\n')}`);
  }

  async close() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
