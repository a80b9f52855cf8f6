import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findGoTool, goBuild, pinnedVersion } from './go-tool.ts';
import { LOOPBACK } from './ports.ts';
import type { Progress } from '../progress.ts';
import { startServer, type Server } from './server.ts';

const MODULE = fileURLToPath(new URL('../versitygw', import.meta.url));
const VERSITYGW = 'github.com/versity/versitygw';

export interface S3 {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly server: Server;
}

/** Path of versitygw: `VERSITYGW`, PATH, our cache, or built into our cache from its Go module (2 to 4 minutes, once). */
export async function findVersitygw(progress: Progress): Promise<string> {
  const version = await pinnedVersion(MODULE, VERSITYGW);
  return findGoTool(
    {
      name: 'versitygw',
      variable: 'VERSITYGW',
      version,
      versionArgs: ['--version'],
      accepts: (text) => /version\s*:/i.test(text),
      build: (_folder, output, p) =>
        goBuild(
          {
            what: `versitygw ${version}`,
            module: MODULE,
            package: `${VERSITYGW}/cmd/versitygw`,
            output,
            flags: [`-ldflags=-s -w -X main.Version=v${version}`],
          },
          p,
        ),
    },
    progress,
  );
}

/** Starts an S3 server over a folder: faithful enough for conditional PUT (`If-None-Match: *`) and multipart uploads. */
export async function startVersitygw(program: string, root: string, region: string): Promise<S3> {
  const accessKeyId = 'userpulse';
  const secretAccessKey = randomBytes(20).toString('hex');
  const server = await startServer({
    name: 'versitygw',
    root,
    ports: 1,
    plan: (folder, [port = 0]) => {
      const data = join(folder, 'data');
      const sidecar = join(folder, 'metadata');
      mkdirSync(data);
      mkdirSync(sidecar);
      return {
        command: program,
        // The sidecar keeps metadata in files, so that a file system without extended attributes will do.
        args: ['--port', `${LOOPBACK}:${port}`, '--region', region, '--quiet', 'posix', '--sidecar', sidecar, data],
        env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
        healthy: async () => {
          // Any answer will do: without a signature the right one is 403.
          const answer = await fetch(`http://${LOOPBACK}:${port}/`, { signal: AbortSignal.timeout(2_000) });
          await answer.arrayBuffer();
          return true;
        },
      };
    },
  });
  return { endpoint: `http://${LOOPBACK}:${server.ports[0] ?? 0}`, accessKeyId, secretAccessKey, server };
}
