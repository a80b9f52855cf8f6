import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

// What jsdom lacks and @grafana/ui asks for as soon as it is loaded (charts) or drawn (measured inputs, lists). Nothing is laid out here, so
// nothing ever changes size.
class NoObserver {
  observe(): void {
    /* nothing changes */
  }
  unobserve(): void {
    /* nothing was observed */
  }
  disconnect(): void {
    /* nothing was observed */
  }
  takeRecords(): [] {
    return [];
  }
}
globalThis.ResizeObserver = NoObserver;
globalThis.IntersectionObserver = class extends NoObserver {
  readonly root = null;
  readonly rootMargin = '';
  readonly scrollMargin = '';
  readonly thresholds = [];
};
globalThis.matchMedia = (media: string) =>
  Object.assign(new EventTarget(), { matches: false, media, onchange: null, addListener() {}, removeListener() {} });
Element.prototype.scrollIntoView = () => undefined;

// Inputs measure their text, and lists draw as many options as fit: everything gets one plausible size.
const SIDE = 400;
const PX_PER_CHARACTER = 8;
HTMLCanvasElement.prototype.getContext = (() => ({
  font: '',
  measureText: (text: string) => ({ width: text.length * PX_PER_CHARACTER }),
})) as never;
Element.prototype.getBoundingClientRect = () => new DOMRect(0, 0, SIDE, SIDE);
for (const side of ['offsetHeight', 'offsetWidth', 'clientHeight', 'clientWidth']) {
  Object.defineProperty(HTMLElement.prototype, side, { configurable: true, get: () => SIDE });
}

afterEach(cleanup);
