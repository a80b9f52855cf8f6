/**
 * Preloaded into ingest (`node --import`): kills the process, as kill -9 does, exactly at one of the renames of its checkpoint files, which no
 * signal from outside can hit. FAULTY_FS is `WHAT WHEN N`: the Nth replacement of a shard's checkpoint file of this kind,
 *
 * - `pending`: the range is recorded, before its first object is written
 * - `durable`: the checkpoint passes the range
 * - `done`: the shard is read to its end
 *
 * dies `half` (its content half-written beside the old one), `before` (written whole, without its name) or `after` (in place, and nobody has
 * heard of it).
 */
import { promises as fs, readFileSync, truncateSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const [what, when, n] = (process.env['FAULTY_FS'] ?? '').split(' ');
if (what !== undefined && what !== '') {
  let left = Number(n);
  const { rename } = fs;
  const kindOf = (path) => {
    const { done, pending } = JSON.parse(readFileSync(path, 'utf8'));
    return done ? 'done' : pending === null ? 'durable' : 'pending';
  };
  fs.rename = async (from, to) => {
    const hit = /^shardId-.*\.json$/.test(basename(String(to))) && kindOf(from) === what && --left === 0;
    if (hit && when === 'half') truncateSync(from, 40);
    if (hit && when !== 'after') process.kill(process.pid, 'SIGKILL');
    await rename(from, to);
    if (hit) process.kill(process.pid, 'SIGKILL');
  };
  syncBuiltinESMExports();
}
