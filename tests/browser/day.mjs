// A day that has everything, for whoever looks at pages: rules, long names, refusals, a rejection, a stopped strategy, an override, five
// hundred rows.

import assert from 'node:assert/strict';
import { until } from './lib.mjs';

/** The settings under which so many orders are let through. */
export const WIDE = {
  ORDERGATE__ACCOUNT__LIMITS__TRADES_PER_DAY: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MESSAGES_PER_MINUTE: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_ORDERS: '2000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_VALUE: '900000000',
  ORDERGATE__ACCOUNT__LIMITS__REPEATS: '100000',
  ORDERGATE__ACCOUNT__LIMITS__REJECTIONS: '100000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_POSITION: '2000000',
  ORDERGATE__ACCOUNT__LIMITS__MAX_POSITION_UNDERLYING: '2000000',
};

/** As long as a strategy's name may be. */
const LONG = 'a-strategy-whose-name-takes-all-of-the-sixty-four-letters-it-may'.slice(0, 64);

/**
 * Makes the day. @param {import('./lib.mjs').Engine} engine
 * @returns {Promise<{ held: string, resting: string }>} an order that was filled and has a rule, and one that rests at the broker
 */
export async function makeDay(engine) {
  const held = await engine.order({ strategy: LONG, stop_loss: '2%', target: '50 points', trailing_type: 'POINTS', trailing_value: '5' });
  const resting = await engine.order({ symbol: 'SBIN-EQ', order_type: 'LIMIT', price: '800', strategy: 'rests' });
  await engine.order({ symbol: 'SBIN-EQ', strategy: 'guarded', quantity: '40', stop_loss: '2%', stop_at: 'broker' });
  await engine.order({ symbol: 'INFY-EQ', quantity: '999999', strategy: 'too-much' });
  await engine.order({ symbol: 'SBIN-EQ', strategy: 'far', order_type: 'SL', validity: 'IOC', price: '890', trigger_price: '889' });
  await fiveHundred(engine);
  await until('every order is at its place', async () => {
    const { system_orders: all } = await engine.get('/dashboard/orderbook?limit=1000');
    return all.length > 500 && all.every((order) => order.status !== 'CREATED' && (order.status === 'FAILED' || order.broker_order_id));
  }, 60_000);
  await engine.post('/dashboard/kill', { level: 1, strategy: 'rests', reason: 'a strategy that is stopped, with a reason that is long enough to need more than one line of this page' });
  await engine.post('/dashboard/risk/override', { client_id: 'PAPER1', limit: 'max_open_orders', value: '1500', minutes: 60, reason: 'a day with many orders' });
  return { held: held.command_id, resting: resting.command_id };
}

/** One instrument twice in a basket is refused: each basket has each of the four once. @param {import('./lib.mjs').Engine} engine */
async function fiveHundred(engine) {
  const prices = { 'RELIANCE-EQ': '1390', 'SBIN-EQ': '800', 'INFY-EQ': '1390', 'M&M-EQ': '7' };
  for (let round = 0; round < 25; round += 1) {
    const answers = await Promise.all(Array.from({ length: 5 }, (_, basket) => engine.post('/dashboard/intent/basket', {
      policy: 'BEST_EFFORT',
      orders: Object.entries(prices).map(([symbol, price]) => ({ strategy: `s-${round}-${basket}`, execution_type: 'ENTRY', exchange: 'NSE', symbol, side: 'BUY', quantity: '1', product: 'MIS', ...(basket === 0 ? { order_type: 'MARKET' } : { order_type: 'LIMIT', price }) })),
    })));
    for (const answer of answers) assert.equal(answer.status, 202, JSON.stringify(answer.body).slice(0, 500));
  }
}
