// Prints how long Home takes until a position can be left by its button, on a 10 Mbit/s line of 40 ms, and what it fetches for
// that. A measurement: nothing is asserted. `node load.mjs [times]`

import { Browser, known } from './lib.mjs';

const TIMES = Number(process.argv[2] ?? 5);
const LINE = { offline: false, latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 10e6 / 8 };

const engine = await known().start();
const browser = await Browser.open();
try {
  await engine.order();
  await engine.order({ symbol: 'SBIN-EQ', strategy: 'other' });
  await browser.open(engine);
  for (const words of ['nothing kept', 'seen before']) {
    const took = [];
    let bytes = 0;
    let requests = 0;
    for (let time = 0; time < TIMES; time += 1) {
      [bytes, requests] = [0, 0];
      const page = await browser.context.newPage();
      const wire = await browser.context.newCDPSession(page);
      await wire.send('Network.enable');
      if (words === 'nothing kept') await wire.send('Network.clearBrowserCache');
      await wire.send('Network.emulateNetworkConditions', LINE);
      wire.on('Network.loadingFinished', (event) => {
        bytes += event.encodedDataLength;
        requests += 1;
      });
      await page.goto(`${engine.base}/dashboard/web/index.html`, { waitUntil: 'commit' });
      await page.locator('main tr [data-exit]').first().waitFor();
      await page.locator('main .headline .num').waitFor();
      // The page's own clock: from the navigation to the moment after both are there.
      took.push(await page.evaluate(() => performance.now()));
      await page.close();
    }
    took.sort((a, b) => a - b);
    console.log(`${words}: ${Math.round(took[Math.floor(TIMES / 2)])} ms in the middle of ${TIMES} (${Math.round(took[0])} to ${Math.round(took[TIMES - 1])}), ${bytes} bytes in ${requests} answers`);
  }
} finally {
  await browser.close();
  await engine.close();
}
