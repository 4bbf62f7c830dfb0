// Draws the picture of the README: Home, after some orders.

import { statSync } from 'node:fs';
import { Browser, known, until } from './lib.mjs';

const engine = await known().start();
const browser = await Browser.open({ width: 1280, height: 860 });
try {
  await engine.order({ symbol: 'RELIANCE-EQ', quantity: '50', strategy: 'trend', stop_loss: '1%', target: '30 points' });
  await engine.order({ symbol: 'SBIN-EQ', quantity: '120', strategy: 'breakout', stop_loss: '1.5%', target: '2%' });
  await engine.order({ symbol: 'INFY-EQ', order_type: 'LIMIT', price: '1450', quantity: '40', strategy: 'dip' });
  await engine.order({ symbol: 'M&M-EQ', quantity: '999', strategy: 'breakout' });
  const page = await browser.open(engine);
  // The line of the day needs some points; the synthetic market moves by itself.
  await until('the line is drawn', () => page.evaluate(() => (document.querySelector('.pnl .net')?.getAttribute('d') ?? '').split('L').length > 15), 90_000);
  await page.screenshot({ path: process.argv[2] });
  console.log(`${process.argv[2]}: ${statSync(process.argv[2]).size} bytes`);
} finally {
  await browser.close();
  await engine.close();
}
