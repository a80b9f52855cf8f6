import type { Logger } from 'pino';
import type { Environment } from '../config.ts';

/** Variables by which other programs find a proxy. */
const PROXY_VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'] as const;

/** Userpulse connects directly. Whoever has set a proxy is told, because a timeout alone would not say why. */
export function warnOfProxies(env: Environment, logger: Pick<Logger, 'warn'>): void {
  const given = PROXY_VARIABLES.filter((name) => (env[name] ?? '') !== '');
  if (given.length === 0) return;
  logger.warn(
    { variables: given },
    `${given.join(' and ')} ${given.length === 1 ? 'is' : 'are'} set, but Userpulse does not use a proxy: it connects to InfluxDB and AWS directly.`,
  );
}
