import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { parseObject, type KubeObject } from './objects.ts';

export const CHART = fileURLToPath(new URL('../../../charts/userpulse', import.meta.url));
export const RELEASE = 'example';
export const NAMESPACE = 'analytics';

/** Values of the chart, as a values file has them. */
export interface Values {
  readonly [key: string]: unknown;
}

export interface HelmEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function helm(args: readonly string[], stdin = ''): Promise<HelmEnd> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      inject('chartTools').helm,
      args,
      { maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(new Error('helm did not run', { cause: error }));
        else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
    child.stdin?.end(stdin);
  });
}

/** `helm template` with these values; see {@link RELEASE} and {@link NAMESPACE}. */
export const template = (values: Values, ...args: readonly string[]): Promise<HelmEnd> =>
  helm(['template', RELEASE, CHART, '--namespace', NAMESPACE, '--values', '-', ...args], stringify(values));

/** Objects of a release with these values. */
export async function render(values: Values): Promise<readonly KubeObject[]> {
  const { code, stdout, stderr } = await template(values);
  if (code !== 0) throw new Error(stderr);
  return objectsIn(stdout);
}

/** Strict YAML: no duplicate keys. */
export const objectsIn = (text: string): readonly KubeObject[] =>
  parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const value: unknown = document.toJS();
    return value === null ? [] : [parseObject(value)];
  });

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Later values win, maps are merged: as Helm does it with several values files. */
export function merge(...all: readonly Values[]): Values {
  const out: Record<string, unknown> = {};
  for (const values of all) {
    for (const [key, value] of Object.entries(values)) {
      const present = out[key];
      out[key] = isMap(present) && isMap(value) ? merge(present, value) : value;
    }
  }
  return out;
}
