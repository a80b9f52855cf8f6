import { grouped } from '../text.ts';
import { total } from './api.ts';
import type { HiggsFacts } from './higgs-facts.ts';
import { ARCHIVE_BUCKET, ARCHIVE_PREFIX, type Running, type Sent } from './running.ts';
import { agrees, table, tallyArchive, tallyPoints, type Finding } from './tally.ts';

/** The file's most received and most making users, asked over HTTP by the hour as a chart would, and summed. */
export async function askAboutFile({ api }: Running, facts: HiggsFacts): Promise<Finding[]> {
  const { mostReceived, mostMade, range } = facts;
  const answers = await api.query(
    range,
    [
      { refId: 'received', preset: 'received', ids: [mostReceived.id], every: '1h' },
      { refId: 'made', preset: 'made', ids: [mostMade.id], every: '1h' },
    ],
    11_000,
  );
  const received = answers.get('received') ?? new Map<string, readonly number[]>();
  const types = new Set([...mostReceived.byType.keys(), ...received.keys()]);
  return [
    ...[...types].map((type) => ({
      what: `HTTP: user ${mostReceived.id} received, ${type}`,
      expected: mostReceived.byType.get(type) ?? 0,
      found: (received.get(type) ?? []).reduce((a, b) => a + b, 0),
    })),
    {
      what: `HTTP: user ${mostMade.id} made`,
      expected: mostMade.count,
      found: total(answers.get('made') ?? new Map<string, readonly number[]>()),
    },
  ];
}

/** Counts in the stores themselves and compares. @returns the exit code */
export async function report(
  { parts, screen, facts }: Running,
  sent: Sent,
  aboutFile: readonly Finding[],
): Promise<number> {
  const [archive, points] = await Promise.all([
    tallyArchive(parts.s3, ARCHIVE_BUCKET, ARCHIVE_PREFIX),
    tallyPoints(parts.influx),
  ]);
  const findings: Finding[] = [
    {
      what: 'records sent = lines archived + rejected',
      expected: sent.records,
      atMost: sent.records + sent.uncertainRecords,
      found: archive.lines + archive.rejected,
    },
    {
      what: 'records rejected',
      expected: sent.invalid,
      atMost: sent.invalid + sent.uncertainRecords,
      found: archive.rejected,
    },
    { what: 'different events archived', expected: sent.events, found: archive.events },
    { what: 'points made = events with an actor', expected: archive.made, found: points.made },
    { what: 'points received = events with a receiver', expected: archive.received, found: points.received },
    { what: 'points share = events with a share', expected: archive.share, found: points.share },
    { what: 'points total = events', expected: archive.events, found: points.total },
  ];
  if (facts !== undefined && !sent.cut) {
    findings.push(
      { what: 'file: lines = different lines archived', expected: facts.lines, found: archive.distinctLines },
      { what: 'file: lines = points made', expected: facts.lines, found: points.made },
      { what: 'file: lines = points received', expected: facts.lines, found: points.received },
      { what: 'file: lines with a share = points share', expected: facts.withShare, found: points.share },
      ...aboutFile,
    );
  }
  const rate = sent.seconds > 0 ? `, ${grouped(Math.round(sent.records / sent.seconds))} a second` : '';
  screen.line('');
  screen.line(
    `Sent ${grouped(sent.records)} records (${grouped(sent.events)} events, ${grouped(sent.repeats)} repeated, ${grouped(sent.invalid)} broken) ` +
      `in ${grouped(sent.kinesisRecords)} Kinesis records, ${grouped(sent.bytes)} bytes${rate}; ${grouped(archive.objects)} archive objects.`,
  );
  if (sent.uncertain > 0) {
    screen.line(
      `${grouped(sent.uncertain)} Kinesis records (${grouped(sent.uncertainRecords)} records) may be on the stream twice, after a lost answer: the archive then rightly has them twice.`,
    );
  }
  screen.line(table(findings));
  const differing = findings.filter((f) => !agrees(f)).length;
  screen.line('');
  if (sent.records === 0) {
    screen.line('Nothing was sent: there is nothing to agree on.');
    return 1;
  }
  screen.line(differing === 0 ? 'Everything agrees.' : `${differing} of ${findings.length} figures differ.`);
  return differing === 0 ? 0 : 1;
}
