import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../parts/server.ts';
import { formatDuration, grouped } from '../text.ts';
import { produced, type ProduceSummary } from '../userpulse.ts';
import { QUESTIONS, total, type Api, type Question, type Range } from './api.ts';
import { picture, plainPicture, type Row } from './picture.ts';
import type { Running, Sent } from './running.ts';
import { countTotal } from './tally.ts';

const TICK_MS = 1_000;
/** The live picture of the generator's events covers this much time, in windows of {@link LIVE_EVERY_MS}. */
const LIVE_MS = 5 * 60_000;
const LIVE_EVERY_MS = 5_000;
/** How long the ingest may go without getting further before the demo stops waiting for it. */
const STALL_MS = 60_000;
/** Longer than the ingest ever waits between two reads of a shard. */
const CAUGHT_UP_MS = 2_000;
/** An id stays in the picture this long before a busier one takes its place. */
const KEEP_ID_MS = 30_000;

/** Shows the picture until the producer has ended: by itself (a file), or `cut` by DEMO_SECONDS or Ctrl-C. */
export async function sendAndWatch(running: Running, producer: Server): Promise<Sent> {
  const { options, service, screen, stop } = running;
  const started = Date.now();
  let restarts = 0;
  let ending = false;
  const ids = new BusiestIds(running.api);
  while (producer.pid !== undefined) {
    if (service.pid === undefined) throw new Error(`userpulse start ended unexpectedly. ${service.tail()}`);
    const elapsed = Date.now() - started;
    const outOfTime = options.seconds !== undefined && elapsed >= options.seconds * 1_000;
    if (!ending && (stop.aborted || outOfTime)) {
      ending = true;
      producer.kill('SIGTERM');
    }
    const rows = await look(running, ids).catch((error: unknown) => {
      // The picture may miss a tick, for one when the service is being restarted; what counts is counted at the end.
      screen.line(`(no picture: ${error instanceof Error ? error.message : String(error)})`);
      return undefined;
    });
    if (rows !== undefined) show(running, rows, elapsed);
    if (restarts < options.restarts && shareDone(running, rows, elapsed) > (restarts + 1) / (options.restarts + 1)) {
      restarts++;
      await restart(running, restarts);
    }
    await Promise.race([sleep(TICK_MS), producer.ended()]);
  }
  return { ...(await produced(producer)), cut: ending };
}

/** How much of the run is behind us, 0 to 1: by events for a file, by time otherwise. */
function shareDone({ facts, options }: Running, rows: readonly Row[] | undefined, elapsed: number): number {
  if (facts !== undefined) {
    const everyone = rows?.find((r) => r.question === 'everyone');
    return everyone === undefined ? 0 : total(everyone.series) / facts.lines;
  }
  return options.seconds === undefined ? 0 : elapsed / (options.seconds * 1_000);
}

async function restart({ service, screen, options }: Running, nth: number): Promise<void> {
  screen.keep();
  screen.line(`Restart ${nth} of ${options.restarts}: SIGTERM to userpulse start …`);
  await terminate(service);
  await service.start();
  screen.line('… and it runs again.');
}

/** SIGTERM, and the promised exit code 0. */
export async function terminate(service: Server): Promise<void> {
  service.kill('SIGTERM');
  const end = await service.ended();
  if (end.exit !== 0) {
    throw new Error(
      `userpulse start answered SIGTERM with ${end.signal ?? `exit code ${end.exit ?? '?'}`}, not with exit code 0. ${service.tail()}`,
    );
  }
}

/** The ids shown in the picture: the busiest of the range, each kept for a while so that the picture does not jump about. */
class BusiestIds {
  readonly #api: Api;
  readonly #ids = new Map<Question, { readonly id: string; readonly since: number }>();

  constructor(api: Api) {
    this.#api = api;
  }

  async of(question: Question, range: Range): Promise<string | undefined> {
    const kept = this.#ids.get(question);
    if (kept !== undefined && Date.now() - kept.since < KEEP_ID_MS) return kept.id;
    const id = await this.#api.busiest(question, range);
    if (id !== undefined) this.#ids.set(question, { id, since: Date.now() });
    return id;
  }
}

async function look({ api, facts, screen }: Running, ids: BusiestIds): Promise<Row[]> {
  const end = Math.ceil(Date.now() / LIVE_EVERY_MS) * LIVE_EVERY_MS;
  const range = facts?.range ?? { fromMs: end - LIVE_MS, toMs: end };
  const every = facts === undefined ? `${LIVE_EVERY_MS / 1_000}s` : 'auto';
  const chosen = await Promise.all(QUESTIONS.map((q) => ids.of(q, range)));
  const asked = QUESTIONS.flatMap((preset, i) => {
    const id = chosen[i];
    return id === undefined ? [] : [{ refId: preset, preset, ids: [id], every }];
  });
  const answers = await api.query(
    range,
    [...asked, { refId: 'everyone', preset: 'everyone', every }],
    Math.max(10, Math.min(60, screen.columns - 40)),
  );
  return [...QUESTIONS, 'everyone' as const].map((question, i) => ({
    question,
    id: chosen[i],
    series: answers.get(question) ?? new Map<string, number[]>(),
  }));
}

function show({ screen, facts, page, stop }: Running, rows: readonly Row[], elapsed: number): void {
  const of = facts === undefined ? '' : ` of ${grouped(facts.lines)}`;
  const span =
    facts === undefined ? `last ${LIVE_MS / 60_000} min, ${LIVE_EVERY_MS / 1_000} s a column` : `all of the file${of}`;
  const time = formatDuration(elapsed);
  // After Ctrl-C the picture stays as it is.
  if (screen.live && stop.aborted) return;
  screen.status(
    [
      `${time} · ${span} · ${page.state}`.slice(0, screen.columns - 1),
      ...picture(rows, screen.columns, process.env['NO_COLOR'] === undefined),
    ],
    `${time}: ${plainPicture(rows)}${of}`,
  );
}

/**
 * Whether every shard was read to its end at two looks, so far apart that each shard was asked in between: what was sent last may be
 * something that makes no point.
 */
async function caughtUp({ api, now }: Running): Promise<boolean> {
  const behind = async (): Promise<number> => {
    const text = await (await fetch(new URL('/metrics', api.url), { signal: now })).text();
    const values = [...text.matchAll(/^userpulse_millis_behind_latest\{[^}]*\} (\S+)$/gm)].map((m) => Number(m[1]));
    if (values.length === 0) throw new Error(`${api.url}/metrics names no shard under userpulse_millis_behind_latest.`);
    return Math.max(...values);
  };
  if ((await behind()) > 0) return false;
  await sleep(CAUGHT_UP_MS);
  return (await behind()) === 0;
}

/** Waits until every event that must become a point is one; ends early, with a word, when nothing moves any more. */
export async function ingested(running: Running, sent: ProduceSummary): Promise<void> {
  const { parts, service, screen } = running;
  const target = sent.events;
  let best = -1;
  let movedAt = Date.now();
  for (;;) {
    if (service.pid === undefined) throw new Error(`userpulse start ended unexpectedly. ${service.tail()}`);
    const points = await countTotal(parts.influx);
    if (points >= target && (await caughtUp(running))) break;
    if (points > best) {
      best = points;
      movedAt = Date.now();
      const text = `${grouped(points)} of ${grouped(target)} events sent are stored.`;
      screen.status(text);
    } else if (Date.now() - movedAt > STALL_MS) {
      screen.line(`Nothing more has arrived for ${formatDuration(STALL_MS)}: counting what there is.`);
      break;
    }
    await sleep(TICK_MS);
  }
  screen.keep();
}
