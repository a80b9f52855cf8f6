import type { TestProject } from 'vitest/node';
import { createProgress } from '../../../tools/progress.ts';
import { findHelm } from '../../../tools/parts/helm.ts';
import { findKubernetesValidate } from './kubernetes-validate.ts';

/** Programs that {@link setup} has found or put into the user's cache. */
export interface ChartTools {
  readonly helm: string;
  /** A Python that can import kubernetes_validate. */
  readonly python: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    chartTools: ChartTools;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const progress = createProgress(process.stderr);
  project.provide('chartTools', { helm: await findHelm(progress), python: await findKubernetesValidate(progress) });
}
