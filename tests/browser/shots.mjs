// Photographs every page, empty and after a full day, at a desk's and at a phone's width, for people to look at.
// `node shots.mjs DIRECTORY [page…]` (`windows`: what opens over a page). What is wider than its window is printed.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { WIDE, makeDay } from './day.mjs';
import { Browser, PAGES, known } from './lib.mjs';

const [directory, ...wanted] = process.argv.slice(2);
if (!directory) throw new Error('say where the pictures go');
mkdirSync(directory, { recursive: true });

const VIEWS = [
  { name: 'desk', width: 1280, height: 900, dark: true },
  { name: 'phone', width: 360, height: 740, dark: false, touch: true },
  { name: 'desk-light', width: 1280, height: 900, dark: false, isBrief: true },
  { name: 'phone-dark', width: 360, height: 740, dark: true, touch: true, isBrief: true },
];

/** Waits until the page has become as long as it will be. */
async function settled(page) {
  for (let [before, same] = [0, 0], begun = Date.now(); same < 4 && Date.now() - begun < 20_000;) {
    await page.waitForTimeout(400);
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    same = height === before ? same + 1 : 0;
    before = height;
  }
}

/** What opens over a page, as much of it as a window shows. */
async function shootWindows(browser, engine, view) {
  const take = (page, name) => page.screenshot({ path: join(directory, `${name}-over-${view.name}.png`) });
  const press = async (page, button) => (view.touch ? button.tap() : button.click());
  const page = await browser.open(engine, 'positions.html');
  await settled(page);
  await take(page, 'first_sight');
  await page.evaluate(() => window.scrollTo(0, 600));
  await take(page, 'scrolled');
  await press(page, page.locator('main tr [data-exit]').first());
  await page.locator('dialog[open]').waitFor();
  await take(page, 'exit');
  await page.keyboard.press('Escape');
  await press(page, page.locator('.kill:visible').first());
  await page.locator('dialog.kill-dialog').waitFor();
  await take(page, 'kill');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.locator('dialog[open]').waitFor();
  await take(page, 'keys');
  await page.keyboard.press('Escape');
  if (view.touch) {
    await page.getByRole('button', { name: 'Menu' }).tap();
    await take(page, 'menu');
  }
}

async function shoot(browser, engine, view, label, files) {
  for (const [name, file] of files) {
    const page = await browser.open(engine, file);
    await settled(page);
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
  const { held } = await makeDay(full);
  for (const client_id of ['PAPER1', 'SWING']) {
    await drill.post('/dashboard/arm', { client_id, confirm: client_id, mode: 'APPROVE', duration_minutes: 60, reason: 'the open' });
    await drill.post('/dashboard/intent/basket', { client_id, orders: ['SBIN-EQ', 'INFY-EQ'].map((symbol) => ({ strategy: 'asks', execution_type: 'ENTRY', exchange: 'NSE', symbol, side: 'BUY', quantity: '5', product: 'MIS', order_type: 'MARKET' })) });
  }
  for (const view of VIEWS) {
    const browser = await Browser.open(view);
    const chosen = (names) => names.filter((name) => wanted.length === 0 || wanted.includes(name)).map((name) => [name, name === 'order' ? `order.html?id=${held}` : `${name}.html`]);
    if (!view.isBrief) await shoot(browser, empty, view, 'empty', chosen([...PAGES, 'login']));
    await shoot(browser, full, view, 'full', chosen([...PAGES, 'order']));
    if (wanted.length === 0 || wanted.includes('windows')) await shootWindows(browser, full, view);
    if (!view.isBrief) await shoot(browser, drill, view, 'two', chosen(['index', 'approvals', 'accounts', 'place_order', 'needs_you']));
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
