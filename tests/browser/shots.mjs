// Photographs every page, empty and after a full day, at a desk's and at a phone's width, for people to look at.
// `node shots.mjs DIRECTORY [page…]`. What is wider than its window is printed.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, PAGES, known, until } from './lib.mjs';

const [directory, ...wanted] = process.argv.slice(2);
if (!directory) throw new Error('say where the pictures go');
mkdirSync(directory, { recursive: true });

const WIDE = {
  ORDERGATE__ACCOUNT__LIMITS__TRADES_PER_DAY: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MESSAGES_PER_MINUTE: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_ORDERS: '2000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_VALUE: '900000000',
  ORDERGATE__ACCOUNT__LIMITS__REPEATS: '100000',
  ORDERGATE__ACCOUNT__LIMITS__REJECTIONS: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_POSITION: '2000000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_POSITION_UNDERLYING: '2000000',
};
const VIEWS = [
  { name: 'desk', width: 1280, height: 900, dark: true },
  { name: 'phone', width: 360, height: 740, dark: false, touch: true },
];

/** A day that has everything: rules, long names, refusals, a stopped strategy, a rejection, five hundred rows. */
async function day(engine) {
  const long = 'a-strategy-whose-name-takes-all-of-the-sixty-four-letters-it-may'.slice(0, 64);
  const first = await engine.order({ strategy: long, stop_loss: '2%', target: '50 points', trailing_type: 'POINTS', trailing_value: '5' });
  await engine.order({ symbol: 'SBIN-EQ', strategy: 'guarded', quantity: '40', stop_loss: '2%', stop_at: 'broker' });
  await engine.order({ symbol: 'INFY-EQ', strategy: 'too-much', quantity: '999999' });
  await engine.order({ symbol: 'SBIN-EQ', strategy: 'far', order_type: 'SL', validity: 'IOC', price: '890', trigger_price: '889' });
  const prices = { 'RELIANCE-EQ': '1390', 'SBIN-EQ': '800', 'INFY-EQ': '1390', 'M&M-EQ': '7' };
  for (let round = 0; round < 25; round += 1) {
    await Promise.all(Array.from({ length: 5 }, (_, basket) => engine.post('/dashboard/intent/basket', {
      policy: 'BEST_EFFORT',
      orders: Object.entries(prices).map(([symbol, price]) => ({ strategy: `s-${round}-${basket}`, execution_type: 'ENTRY', exchange: 'NSE', symbol, side: 'BUY', quantity: '1', product: 'MIS', ...(basket === 0 ? { order_type: 'MARKET' } : { order_type: 'LIMIT', price }) })),
    })));
  }
  await until('the day is made', async () => (await engine.get('/dashboard/orderbook?limit=1000')).system_orders.every((order) => order.status !== 'CREATED'), 60_000);
  await engine.post('/dashboard/kill', { level: 1, strategy: 's-1-1', reason: 'a strategy that is stopped, with a reason that is long enough to need more than one line of this page' });
  await engine.post('/dashboard/risk/override', { client_id: 'PAPER1', limit: 'max_open_orders', value: '1500', minutes: 60, reason: 'a day with many orders' });
  return first.command_id;
}

async function shoot(browser, engine, view, label, files) {
  for (const [name, file] of files) {
    const page = await browser.open(engine, file);
    await page.waitForTimeout(1_300);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > view.width) console.log(`${label} ${name} ${view.name}: ${wide} wide`);
    // Five hundred rows make a picture that nobody can look at.
    const height = Math.min(2_600, await page.evaluate(() => document.documentElement.scrollHeight));
    await page.screenshot({ path: join(directory, `${name}-${label}-${view.name}.png`), fullPage: true, clip: { x: 0, y: 0, width: view.width, height } });
  }
}

const empty = await known().start();
const full = await known(WIDE).start();
const drill = await known({ ORDERGATE__ACCOUNT__ARMING: 'required', ORDERGATE__ACCOUNT__APPROVAL_LIMIT_S: '600', ORDERGATE__ENGINE__ENTRY_TTL_MS: '600000', ORDERGATE__ACCOUNTS__1__NAME: 'SWING' }).start();
try {
  const first = await day(full);
  for (const client_id of ['PAPER1', 'SWING']) {
    await drill.post('/dashboard/arm', { client_id, confirm: client_id, mode: 'APPROVE', duration_minutes: 60, reason: 'the open' });
    await drill.post('/dashboard/intent/basket', { client_id, orders: ['SBIN-EQ', 'INFY-EQ'].map((symbol) => ({ strategy: 'asks', execution_type: 'ENTRY', exchange: 'NSE', symbol, side: 'BUY', quantity: '5', product: 'MIS', order_type: 'MARKET' })) });
  }
  for (const view of VIEWS) {
    const browser = await Browser.open(view);
    const chosen = (names) => names.filter((name) => wanted.length === 0 || wanted.includes(name)).map((name) => [name, name === 'order' ? `order.html?id=${first}` : `${name}.html`]);
    await shoot(browser, empty, view, 'empty', chosen([...PAGES, 'login']));
    await shoot(browser, full, view, 'full', chosen([...PAGES, 'order']));
    await shoot(browser, drill, view, 'two', chosen(['index', 'approvals', 'accounts', 'place_order', 'needs_you']));
    if (wanted.length === 0 || wanted.includes('option_chain')) {
      const page = await browser.open(full, 'option_chain.html');
      await page.locator('.chain tr.near').getByRole('button', { name: /^Buy/ }).first().click();
      await page.locator('.chain tr.near').getByRole('button', { name: /^Buy/ }).last().click();
      await page.locator('#basket .explained').nth(1).waitFor();
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(directory, `basket-full-${view.name}.png`), fullPage: true });
    }
    for (const trouble of new Set(browser.troubles)) console.log(`${view.name}: ${trouble}`);
    await browser.close();
  }
} finally {
  await Promise.all([empty, full, drill].map((engine) => engine.close()));
}
