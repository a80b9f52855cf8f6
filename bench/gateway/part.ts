import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { BenchPart } from '../part.ts';
import { figure, number, spread } from '../stats.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GATEWAY = join(ROOT, `dist/gpx_userpulse_linux_${arch() === 'arm64' ? 'arm64' : 'amd64'}`);

const percentiles = z.object({ p50: z.number(), p95: z.number(), p99: z.number() });
const measured = z.object({ direct: percentiles, through: percentiles, added: percentiles });
type Measured = z.infer<typeof measured>;

export const part: BenchPart = {
  name: 'gateway',
  title: 'Gateway: what Grafana’s own hop adds',
  run: async ({ quick, rounds, say }) => {
    if (!existsSync(GATEWAY)) throw new Error(`${GATEWAY} is not there: make build-gateway builds it.`);
    const folder = await mkdtemp(join(tmpdir(), 'userpulse-bench-gateway-'));
    try {
      const program = join(folder, 'bench');
      await run('go', ['build', '-tags', 'arrow_json_stdlib', '-o', program, './bench/gateway'], { cwd: ROOT });
      const all: Measured[] = [];
      for (let round = 1; round <= rounds; round++) {
        const requests = quick ? 50 : 1_000;
        const { stdout } = await run(program, ['--json', '--gateway', GATEWAY, '--rounds', String(requests)]);
        const one = measured.parse(JSON.parse(stdout));
        all.push(one);
        say(`round ${round}: added p50 ${one.added.p50} ms, p99 ${one.added.p99} ms`);
      }
      const cell = (way: keyof Measured, p: keyof Measured['added']): string =>
        spread(figure(all.map((one) => one[way][p])));
      const row = (name: string, way: keyof Measured): string[] => [
        name,
        cell(way, 'p50'),
        cell(way, 'p95'),
        cell(way, 'p99'),
      ];
      const added = figure(all.map((one) => one.added.p50));
      return {
        tables: [
          {
            title: 'One series of 1,000 points',
            note: 'A backend with prepared answers is queried over HTTP, and then through the gateway over gRPC, as Grafana does, including decoding the frames. 1,000 pairs per round.',
            columns: ['', 'p50, ms', 'p95, ms', 'p99, ms'],
            rows: [row('backend alone', 'direct'), row('through the gateway', 'through'), row('added', 'added')],
          },
        ],
        plots: [],
        summary: quick
          ? []
          : [
              {
                question: 'added by Grafana’s gateway to a series of 1,000 points: p50, ms',
                answer: number(added.median),
                beside: '',
              },
            ],
        targets: quick
          ? []
          : [
              {
                figure: 'added by the gateway to a series of 1,000 points, p50, ms',
                target: '≤ 3',
                measured: spread(added),
                met: added.median <= 3,
              },
            ],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
