import { startLocalParts } from '../../tools/parts/index.ts';

// A starter that can be killed from outside: tells what it has started and then waits.
const parts = await startLocalParts({ kinesis: true, s3: true });
process.stdout.write(`${JSON.stringify({ pids: [parts.kinesis.server.pid, parts.s3.server.pid], dir: parts.dir })}\n`);
