// @ts-check
// The page that the address names, in the frame that all pages share.

import { byId } from './dom.js';
import { listen } from './live.js';
import { trouble } from './parts.js';
import { frame } from './shell.js';

/**
 * @typedef {{ title: string, load: () => Promise<{ page: (root: HTMLElement) => void | Promise<void> }>, isBare?: boolean }} Page
 * @type {Record<string, Page>}
 */
const PAGES = {
  'index.html': { title: 'Home', load: () => import('./page_home.js') },
  'order_book.html': { title: 'Order book', load: () => import('./page_order_book.js') },
  'order.html': { title: 'An order', load: () => import('./page_order.js') },
  'positions.html': { title: 'Positions', load: () => import('./page_positions.js') },
  'place_order.html': { title: 'Place an order', load: () => import('./page_place_order.js') },
  'option_chain.html': { title: 'Option chain', load: () => import('./page_option_chain.js') },
  'needs_you.html': { title: 'Needs you', load: () => import('./page_needs_you.js') },
  'risk.html': { title: 'Risk', load: () => import('./page_risk.js') },
  'alerts.html': { title: 'Alerts', load: () => import('./page_alerts.js') },
  'approvals.html': { title: 'Approvals', load: () => import('./page_approvals.js') },
  'connect.html': { title: 'Connect', load: () => import('./page_connect.js') },
  'order_diagnostics.html': { title: 'Diagnostics', load: () => import('./page_order_diagnostics.js') },
  'accounts.html': { title: 'Accounts', load: () => import('./page_accounts.js') },
  'audit.html': { title: 'Audit', load: () => import('./page_audit.js') },
  'settings.html': { title: 'Settings', load: () => import('./page_settings.js') },
  'api.html': { title: 'API', load: () => import('./page_api.js') },
  'login.html': { title: 'Log in', load: () => import('./page_login.js'), isBare: true },
};

async function begin() {
  const name = location.pathname.split('/').pop() || 'index.html';
  const page = PAGES[name] ?? PAGES['index.html'];
  document.title = `${page.title} · ordergate`;
  const loading = page.load();
  const main = byId('main');
  if (!page.isBare) {
    frame(name);
    listen();
  }
  try {
    await (await loading).page(main);
  } catch (cause) {
    main.append(trouble(cause));
  }
}

begin();
