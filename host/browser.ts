import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Programs that will do, as make install-tests looks for them. */
const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const SCREENSHOTS = fileURLToPath(new URL('../artifacts/screenshots/', import.meta.url));

function findChromium(): string {
  const named = process.env['CHROMIUM'] || undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = named ?? CHROMIUM.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (found !== undefined && existsSync(found)) return found;
  throw new Error(`${named ?? 'Chromium'} is missing. Install Chromium (make test does), or name one in CHROMIUM.`);
}

/** The system's Chromium, with everything off that would look for the internet. */
export async function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Watched {
  readonly page: Page;
  /** What went wrong on the page since it was opened: console errors, exceptions, failed look-ups, requests off loopback. */
  readonly problems: string[];
}

/**
 * A page that notes what no test asks for and none may see. `expected` are problems that a test provokes, for example the 400 of a bad query.
 */
export async function openPage(browser: Browser, expected: readonly RegExp[] = []): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 1000 },
    timezoneId: 'UTC',
    locale: 'en-GB',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems: string[] = [];
  const note = (problem: string): void => {
    if (!expected.some((pattern) => pattern.test(problem))) problems.push(problem);
  };
  page.on('pageerror', (error) => note(`exception: ${error.message}`));
  page.on('console', (message) => {
    // The browser's own line for a failed request repeats what the response handler notes with its address.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      note(`console: ${message.text()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) note(`HTTP ${response.status()} ${new URL(response.url()).pathname}`);
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') note(`request off loopback: ${request.url()}`);
  });
  return { page, problems };
}

/** A picture for people, in artifacts/screenshots/ (kept by CI, not committed). */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
}
