import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import { encodeFrame, FROM_PROGRAM, FrameReader, PROTOCOL, TO_PROGRAM, type Frame } from './kcl-frames.ts';

/** What the lease program is told, as environment variables; see Settings.java. */
export interface LeaseProgramOptions {
  /** Folder with userpulse-leases.jar and lib/. */
  readonly home: string;
  /** The process's own environment: AWS credentials, JAVA_HOME and PATH are taken from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stream: string;
  readonly table: string;
  /** Unique for each process ever. */
  readonly worker: string;
  readonly region: string;
  /** Undefined: AWS's own. */
  readonly endpoints: { readonly kinesis: string | undefined; readonly dynamodb: string | undefined };
  readonly failoverMs: number;
  readonly logger: Logger;
  readonly onFrame: (frame: Frame) => void;
  /** Once, after the last frame. `error` where it was not asked to end. */
  readonly onEnd: (error: UserpulseError | undefined) => void;
}

/** As small as leases of some dozens of shards allow: docs/scale.md has what it takes. */
const JVM = [
  '-Xmx64m',
  '-Xss512k',
  '-XX:ReservedCodeCacheSize=48m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-XX:+ExitOnOutOfMemoryError',
];
const LEAST_JAVA = 17;
const ALIVE_MS = 1_000;
/** How many failover times one side may be silent before the other takes it for hung. */
const SILENT_FAILOVERS = 3;
const READY_PATIENCE_MS = 60_000;
/** How long a stop waits for leases to be given back, in ms. */
const STOP_PATIENCE_MS = 15_000;
/** Lines of its log that tell why it has ended. */
const LAST_LINES = 5;

/** The program that has KCL: a child of this process, and never without it. */
export class LeaseProgram {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: LeaseProgramOptions;
  readonly #last: string[] = [];
  readonly #ended: Promise<void>;
  #heardMs = performance.now();
  #stopping = false;

  /** @throws UserpulseError `checkpoint_unusable` where it cannot run */
  static async start(options: LeaseProgramOptions): Promise<LeaseProgram> {
    const java = await findJava(options.env);
    if (!existsSync(join(options.home, JAR))) {
      throw unusable(
        `the lease program is missing: ${join(options.home, JAR)}`,
        'Build it with "make build-leases" (Java 17 and Maven), or use the image, which has it.',
      );
    }
    const program = new LeaseProgram(options, java);
    await program.#ready();
    return program;
  }

  #becameReady: (frame: Frame) => void = () => undefined;

  private constructor(options: LeaseProgramOptions, java: string) {
    this.#options = options;
    const { home, stream, table, worker, region, endpoints, failoverMs, logger } = options;
    const silentMs = failoverMs * SILENT_FAILOVERS;
    const classpath = [join(home, JAR), join(home, 'lib', '*')].join(delimiter);
    const child = spawn(java, [...JVM, '-cp', classpath, 'userpulse.leases.Main'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C in a terminal reaches every process of its group: this one decides when leases are given back.
      detached: true,
      env: {
        ...withoutOurs(options.env),
        USERPULSE_LEASES_STREAM: stream,
        USERPULSE_LEASES_TABLE: table,
        USERPULSE_LEASES_WORKER: worker,
        USERPULSE_LEASES_REGION: region,
        USERPULSE_LEASES_KINESIS: endpoints.kinesis ?? '',
        USERPULSE_LEASES_DYNAMODB: endpoints.dynamodb ?? '',
        USERPULSE_LEASES_FAILOVER_MS: String(failoverMs),
        USERPULSE_LEASES_ALIVE_MS: String(silentMs),
      },
    });
    this.#child = child;
    const reader = new FrameReader();
    child.stdout.on('data', (piece: Buffer) => {
      this.#heardMs = performance.now();
      try {
        for (const frame of reader.push(piece)) this.#take(frame);
      } catch (error) {
        logger.error({ err: error }, 'The lease program says what cannot be understood; it is ended.');
        child.kill('SIGKILL');
      }
    });
    child.stdin.on('error', () => undefined); // It has ended; 'close' says so.
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#last.push(line);
      if (this.#last.length > LAST_LINES) this.#last.shift();
      const level = /^ERROR/.test(line) ? 'warn' : 'debug';
      logger[level]({ program: 'leases' }, line);
    });
    let lookedMs = performance.now();
    const alive = setInterval(() => {
      this.send({ type: TO_PROGRAM.alive, handle: 0, texts: [] });
      const now = performance.now();
      // Whoever was stopped itself has heard nothing meanwhile.
      if (now - lookedMs > 3 * ALIVE_MS) this.#heardMs = now;
      lookedMs = now;
      if (now - this.#heardMs > silentMs) child.kill('SIGKILL');
    }, ALIVE_MS);
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => this.#last.push(error.message));
      child.once('close', (code, signal) => {
        clearInterval(alive);
        resolve();
        const said = this.#last.length === 0 ? '' : ` It said last: ${this.#last.join(' ')}`;
        options.onEnd(
          this.#stopping
            ? undefined
            : unusable(
                `the lease program has ended (${signal ?? `exit code ${String(code)}`}).${said}`,
                'Leases of this process lapse, and others take them. Start it again; where this repeats, "userpulse doctor" looks at the table.',
              ),
        );
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(frame: Frame): void {
    this.#child.stdin.write(encodeFrame(frame));
  }

  /** Gives back all leases and ends it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.send({ type: TO_PROGRAM.shutdown, handle: 0, texts: [] });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #take(frame: Frame): void {
    if (frame.type === FROM_PROGRAM.ready) this.#becameReady(frame);
    else if (frame.type !== FROM_PROGRAM.echo) this.#options.onFrame(frame);
  }

  async #ready(): Promise<void> {
    const ready = new Promise<Frame>((resolve) => (this.#becameReady = resolve));
    const late = new AbortController();
    const frame = await Promise.race([
      ready,
      this.#ended,
      new Promise<undefined>((resolve) => {
        const timer = setTimeout(() => resolve(undefined), READY_PATIENCE_MS);
        late.signal.addEventListener('abort', () => clearTimeout(timer));
      }),
    ]);
    late.abort();
    if (frame?.texts[0] === PROTOCOL) return;
    this.#stopping = true;
    this.#child.kill('SIGKILL');
    const said = this.#last.join(' ');
    throw frame === undefined
      ? unusable(`the lease program does not start. ${said}`, 'Does "java -version" work for this user?')
      : unusable(
          `the lease program in ${this.#options.home} is of another version (protocol ${frame.texts[0] ?? 'unknown'}, not ${PROTOCOL})`,
          'Build it anew with "make build-leases".',
        );
  }
}

const JAR = 'userpulse-leases.jar';

const unusable = (why: string, hint: string, cause?: unknown): UserpulseError =>
  new UserpulseError('checkpoint_unusable', `Leases in DynamoDB (USERPULSE_CHECKPOINT) cannot be had: ${why}`, {
    hint,
    cause,
  });

/** Tokens of ours are nothing for another program. */
const withoutOurs = (env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(INFLUX|USERPULSE)_/.test(name)));

/** @throws UserpulseError where there is none, or one that is too old */
async function findJava(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const home = env['JAVA_HOME'] ?? '';
  const java = home === '' ? 'java' : join(home, 'bin', 'java');
  const hint = `Install Java ${LEAST_JAVA} or newer (a JRE will do), and set JAVA_HOME or PATH; or keep checkpoints in a folder (USERPULSE_CHECKPOINT=file:///DIR), with one ingest for the stream.`;
  const child = spawn(java, ['-XshowSettings:properties', '-version'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  const failure = await new Promise<Error | undefined>((resolve) => {
    child.once('error', resolve);
    child.once('close', () => resolve(undefined));
  });
  if (failure !== undefined) throw unusable(`Java cannot be started (${java}: ${failure.message})`, hint, failure);
  const version = /java\.specification\.version = (?:1\.)?(\d+)/.exec(said)?.[1];
  if (version === undefined) throw unusable(`"${java} -version" does not say which Java it is`, hint);
  if (Number(version) < LEAST_JAVA) throw unusable(`${java} is Java ${version}`, hint);
  return java;
}
