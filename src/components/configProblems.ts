import { texts } from '../texts.ts';

/** What is wrong with the backend's address, if anything. The gateway checks it again. */
export function urlProblem(text: string): string | undefined {
  if (text.trim() === '') return texts.config.url.missing;
  try {
    const { protocol, hostname } = new URL(text.trim());
    return (protocol === 'http:' || protocol === 'https:') && hostname !== '' ? undefined : texts.config.url.invalid;
  } catch {
    return texts.config.url.invalid;
  }
}

/** Empty means the gateway's default. */
export function timeoutProblem(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  return /^\d{1,3}$/.test(text.trim()) && Number(text) >= 1 && Number(text) <= 600
    ? undefined
    : texts.config.timeout.invalid;
}
