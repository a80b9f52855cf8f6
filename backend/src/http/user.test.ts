import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { AUTHORIZED, testServer } from './testing.ts';
import { userOf } from './user.ts';

/** As it comes off the wire: Node reads the bytes of a header as Latin-1. */
const header = (name: string): string => Buffer.from(name, 'utf8').toString('latin1');

describe('who asks', () => {
  it.each([
    ['ada', 'ada'],
    [' ada@example.com ', 'ada@example.com'],
    [header('zoë'), 'zoë'],
    ['', undefined],
    ['  ', undefined],
    [undefined, undefined],
  ])('%j is %j', (given, name) => {
    expect(userOf({ 'x-grafana-user': given })).toBe(name);
  });

  it('refuses a name that is too long to be one', () => {
    expect(() => userOf({ 'x-grafana-user': 'a'.repeat(255) })).toThrow('more than 254 characters');
  });
});

describe('requests of Grafana users', () => {
  const ask = (app: Awaited<ReturnType<typeof testServer>>, user?: string, token = AUTHORIZED) =>
    app.inject({
      url: '/v1/types',
      headers: { ...token, ...(user === undefined ? {} : { 'x-grafana-user': user }) },
    });

  it('are limited a minute for each user, and for nobody else', async () => {
    const app = await testServer({ userRequestsPerMinute: 2 });
    const statuses = async (user?: string) => {
      const answers = [await ask(app, user), await ask(app, user), await ask(app, user)];
      return answers.map(({ statusCode }) => statusCode);
    };
    expect(await statuses('ada')).toEqual([200, 200, 429]);
    expect(await statuses('bob')).toEqual([200, 200, 429]);
    expect(await statuses()).toEqual([200, 200, 200]);

    const refused = await ask(app, 'ada');
    expect(refused.json()).toMatchObject({
      error: {
        code: 'overloaded',
        message: expect.stringMatching(
          /^ada has asked 2 times within a minute.*USERPULSE_USER_REQUESTS_PER_MINUTE/,
        ) as string,
      },
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
    await app.close();
  });

  it('are not used up by a stranger who knows the name', async () => {
    const app = await testServer({ userRequestsPerMinute: 1 });
    for (let n = 0; n < 3; n++) expect((await ask(app, 'ada', { authorization: 'Bearer wrong' })).statusCode).toBe(401);
    expect((await ask(app, 'ada')).statusCode).toBe(200);
    await app.close();
  });

  it('are not limited unless it is asked for', async () => {
    const app = await testServer();
    for (let n = 0; n < 50; n++) expect((await ask(app, 'ada')).statusCode).toBe(200);
    await app.close();
  });

  it('are logged with the user, and without the ids asked for', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
    const app = await testServer({ logger });
    await app.inject({
      url: '/v1/interactions/made/88?from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z',
      headers: { ...AUTHORIZED, 'x-grafana-user': header('zoë') },
    });
    await app.close();
    const answered = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === 'answered');
    expect(answered).toMatchObject([
      { user: 'zoë', method: 'GET', route: '/v1/interactions/:preset/:id', status: 200 },
    ]);
    expect(answered[0]).not.toHaveProperty('url');
    expect(lines.join('')).not.toContain('/88');
  });
});
