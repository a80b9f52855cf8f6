import type { LocalParts } from '../parts/index.ts';
import type { Server } from '../parts/server.ts';
import type { Screen } from '../progress.ts';
import type { ProduceSummary } from '../userpulse.ts';
import type { Api } from './api.ts';
import type { HiggsFacts } from './higgs-facts.ts';
import type { DemoOptions } from './options.ts';
import type { PluginPage } from './plugin-page.ts';

export const ARCHIVE_BUCKET = 'userpulse-demo';
export const ARCHIVE_PREFIX = 'events';

export type AllParts = LocalParts<{ influx: true; kinesis: true; s3: true }>;

/** The pipeline while it runs, and what watches it. */
export interface Running {
  readonly options: DemoOptions;
  readonly parts: AllParts;
  readonly api: Api;
  readonly service: Server;
  readonly page: PluginPage;
  readonly facts: HiggsFacts | undefined;
  readonly screen: Screen;
  /** First Ctrl-C: end in order. */
  readonly stop: AbortSignal;
  /** Second Ctrl-C: end at once. */
  readonly now: AbortSignal;
}

/** What was sent, and whether that was ended before its end. */
export interface Sent extends ProduceSummary {
  readonly cut: boolean;
}
