import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findGoTool, goBuild, pinnedVersion } from './go-tool.ts';
import type { Progress } from '../progress.ts';

const run = promisify(execFile);
const MODULE = fileURLToPath(new URL('../influxd', import.meta.url));
const INFLUXDB = 'github.com/influxdata/influxdb/v2';

/** Path of an influxd 2.7: `INFLUXD`, PATH, our cache, or built into our cache from its Go module (4 to 15 minutes, once). */
export async function findInfluxd(progress: Progress): Promise<string> {
  const version = await pinnedVersion(MODULE, INFLUXDB);
  const series = version.split('.').slice(0, 2).join('.');
  return findGoTool(
    {
      name: 'influxd',
      variable: 'INFLUXD',
      version,
      versionArgs: ['version'],
      accepts: (text) => text.includes(`v${series}.`),
      build: (folder, output, p) => build(version, folder, output, p),
    },
    progress,
  );
}

/**
 * Half of Flux is Rust. Its Go package asks pkg-config where that half is, and InfluxData's own pkg-config answers by building it with
 * cargo. The sources are older than today's compilers: warnings that have become errors are capped, and the toolchain they pin is
 * replaced by one that is installed.
 */
async function build(version: string, folder: string, output: string, progress: Progress): Promise<void> {
  const toolchain = await installedToolchain();
  const pkgConfig = join(folder, 'pkg-config');
  await goBuild(
    { what: 'pkg-config', module: MODULE, package: 'github.com/influxdata/pkg-config', output: pkgConfig },
    progress,
  );
  const crates = join(folder, 'crates');
  const wrapper = join(folder, 'rustc-wrapper');
  await writeFile(crates, '');
  await writeFile(wrapper, '#!/bin/sh\nprintf . >>"$USERPULSE_CRATES"\nexec "$@" --cap-lints warn\n', { mode: 0o755 });
  await goBuild(
    {
      what: `influxd ${version}`,
      module: MODULE,
      package: `${INFLUXDB}/cmd/influxd`,
      output,
      flags: ['-tags=sqlite_foreign_keys,sqlite_json', `-ldflags=-s -w -X main.version=v${version}`],
      env: {
        CGO_ENABLED: '1',
        PKG_CONFIG: pkgConfig,
        RUSTC_WRAPPER: wrapper,
        USERPULSE_CRATES: crates,
        ...(toolchain === undefined ? {} : { RUSTUP_TOOLCHAIN: toolchain }),
      },
      detail: () => `${readFileSync(crates).length} crates`,
    },
    progress,
  );
}

/**
 * Name of rustup's default toolchain (or its first), so that the one pinned in the sources is not asked for. Undefined where Rust is
 * installed without rustup.
 */
async function installedToolchain(): Promise<string | undefined> {
  const lines = await run('rustup', ['toolchain', 'list']).then(
    (r) => r.stdout.split('\n').filter((l) => l.trim() !== '' && !l.startsWith('no ')),
    () => undefined,
  );
  const chosen = lines?.find((l) => l.includes('default')) ?? lines?.[0];
  if (chosen !== undefined) return chosen.split(/\s+/)[0];
  await run('cargo', ['--version']).catch((error: unknown) => {
    throw new Error(
      'Rust is needed to build influxd and was not found on PATH. Install it (https://rustup.rs), or put influxd 2.7 on PATH or in the variable INFLUXD.',
      { cause: error },
    );
  });
  return undefined;
}
