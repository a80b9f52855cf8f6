import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { sayProxies, warnOfProxies } from './proxies.ts';

it.each<readonly [Record<string, string>, string | undefined]>([
  [{}, undefined],
  [{ HTTPS_PROXY: '', NO_PROXY: '*' }, undefined],
  [{ HTTPS_PROXY: 'http://user:secret@proxy:3128' }, 'HTTPS_PROXY is set'],
  [{ https_proxy: 'http://proxy:3128', HTTP_PROXY: 'http://proxy:3128' }, 'https_proxy and HTTP_PROXY are set'],
])('says of %j that no proxy is used, and not which one: %s', (env, begin) => {
  let line = '';
  warnOfProxies(env, pino({}, { write: (text: string) => (line += text) }));
  if (begin === undefined) expect(line).toBe('');
  else expect(line).toContain(`"msg":"${begin}, but Userpulse does not use a proxy`);
  let said = '';
  const stderr = new Writable({ write: (text: Buffer, _encoding, done) => done(((said += text.toString()), null)) });
  sayProxies({ env, stderr });
  expect(said).toBe(begin === undefined ? '' : `userpulse: ${/"msg":"([^"]*)"/.exec(line)?.[1] ?? ''}\n`);
  expect(line + said).not.toContain('secret');
});
