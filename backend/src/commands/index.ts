import type { RegisterCommand } from './context.ts';

import { registerCompact } from './compact.ts';
import { registerConsumer } from './consumer.ts';
import { registerDeadLetters } from './dead-letters.ts';
import { registerDoctor } from './doctor.ts';
import { registerForget } from './forget.ts';
import { registerIngest } from './ingest.ts';
import { registerLeases } from './leases.ts';
import { registerProduce } from './produce.ts';
import { registerRelease } from './release.ts';
import { registerRepair } from './repair.ts';
import { registerReplay } from './replay.ts';
import { registerRollup } from './rollup.ts';
import { registerServe } from './serve.ts';
import { registerSetup } from './setup.ts';
import { registerStart } from './start.ts';

/** In the order in which `userpulse --help` shows them. */
export const commands: readonly RegisterCommand[] = [
  registerSetup,
  registerIngest,
  registerServe,
  registerStart,
  registerProduce,
  registerReplay,
  registerRepair,
  registerRollup,
  registerCompact,
  registerForget,
  registerDeadLetters,
  registerRelease,
  registerLeases,
  registerConsumer,
  registerDoctor,
];
