import type { Logger } from 'pino';
import type { Environment } from '../config.ts';
import type { CommandContext } from './context.ts';

/** Variables by which other programs find a proxy. */
const PROXY_VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'] as const;

const givenIn = (env: Environment): readonly string[] => PROXY_VARIABLES.filter((name) => (env[name] ?? '') !== '');
const unused = (given: readonly string[]): string =>
  `${given.join(' and ')} ${given.length === 1 ? 'is' : 'are'} set, but Userpulse does not use a proxy: it connects to InfluxDB and AWS directly.`;

/** Userpulse connects directly. Whoever has set a proxy is told, because a timeout alone would not say why. */
export function warnOfProxies(env: Environment, logger: Pick<Logger, 'warn'>): void {
  const given = givenIn(env);
  if (given.length > 0) logger.warn({ variables: given }, unused(given));
}

/** The same for commands without a log, before they connect. */
export function sayProxies({ env, stderr }: Pick<CommandContext, 'env' | 'stderr'>): void {
  const given = givenIn(env);
  if (given.length > 0) stderr.write(`userpulse: ${unused(given)}\n`);
}
