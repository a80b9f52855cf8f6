import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { belongs, PLATFORMS, problems, readmeProblems, type PluginJson } from './contents.ts';
import { zip } from './zip.ts';

/** Reads an archive by its central directory, as an unzip program does. */
function unzip(archive: Buffer): Map<string, { content: string; mode: number }> {
  const end = archive.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  const files = new Map<string, { content: string; mode: number }>();
  let at = archive.readUInt32LE(end + 16);
  for (let i = 0; i < archive.readUInt16LE(end + 10); i++) {
    const nameLength = archive.readUInt16LE(at + 28);
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const packed = archive.subarray(start, start + archive.readUInt32LE(at + 20));
    files.set(archive.toString('utf8', at + 46, at + 46 + nameLength), {
      content: inflateRawSync(packed).toString(),
      mode: archive.readUInt32LE(at + 38) >>> 16,
    });
    at += 46 + nameLength;
  }
  return files;
}

describe('zip', () => {
  const entries = [
    { name: 'plugin/module.js', content: Buffer.from('define([])'.repeat(100)) },
    { name: 'plugin/gpx_ä', content: Buffer.from('binary'), executable: true },
    { name: 'plugin/empty', content: Buffer.alloc(0) },
  ];

  it('gives back what was packed, with the executable bit', () => {
    const files = unzip(zip(entries));
    expect([...files.keys()]).toEqual(entries.map(({ name }) => name));
    expect(files.get('plugin/module.js')).toEqual({ content: 'define([])'.repeat(100), mode: 0o100644 });
    expect(files.get('plugin/gpx_ä')).toEqual({ content: 'binary', mode: 0o100755 });
  });

  it('gives equal bytes for equal input', () => {
    expect(zip(entries).equals(zip(entries))).toBe(true);
  });
});

describe('a release', () => {
  const plugin: PluginJson = {
    id: 'x-datasource',
    executable: 'gpx_x',
    info: { version: '1.2.3', updated: '2026-01-31', logos: { small: 'img/logo.svg', large: 'img/logo.svg' } },
    includes: [{ type: 'dashboard', path: 'dashboards/a.json' }],
  };
  const whole = new Set([
    'plugin.json',
    'module.js',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'go_plugin_build_manifest',
    'img/logo.svg',
    'dashboards/a.json',
    ...PLATFORMS.map((platform) => `gpx_x_${platform}`),
  ]);

  it('is complete', () => {
    expect(problems(whole, plugin, '1.2.3')).toEqual([]);
  });

  it.each([...whole])('is refused without %s', (name) => {
    const names = new Set(whole);
    names.delete(name);
    expect(problems(names, plugin, '1.2.3').join()).toContain(`dist/${name} is missing`);
  });

  it('is refused with another version or without a date', () => {
    const stale = { ...plugin, info: { ...plugin.info, updated: '%TODAY%' } };
    expect(problems(whole, stale, '2.0.0')).toEqual([
      'dist/plugin.json says version 1.2.3, package.json says 2.0.0.',
      'dist/plugin.json says updated %TODAY%, which is no date.',
    ]);
  });

  it('leaves out binaries of other platforms only', () => {
    expect(
      ['gpx_x_linux_arm', 'gpx_x_linux_arm64', 'gpx_x_windows_amd64.exe', 'module.js'].map((name) =>
        belongs(name, plugin),
      ),
    ).toEqual([false, true, true, true]);
  });
});

describe('the README of a release', () => {
  it('links to whole addresses only', () => {
    expect(readmeProblems(readFileSync('src/README.md', 'utf8'))).toEqual([]);
    expect(readmeProblems('[a](https://a.example/b) [c](#d) `[e](f.md)`\n```\n[g](h.md)\n```\n')).toEqual([]);
    expect(readmeProblems('[a](docs/a.md) ![b](img/b.png)')).toEqual([
      'dist/README.md links to docs/a.md, which is no https:// address.',
      'dist/README.md links to img/b.png, which is no https:// address.',
    ]);
  });
});
