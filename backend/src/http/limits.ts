/** Bounds of the HTTP server. Those of a query's result are in contract/limits.ts, those of queries that run in query/budget.ts. */
export interface HttpLimits {
  /** Bytes of a request body. */
  readonly bodyBytes: number;
  /** Bytes of request line and headers together, which bounds the address too. */
  readonly headerBytes: number;
  /** Characters of an id in the path. */
  readonly pathIdLength: number;
  /** Time in which a client must have sent its whole request, in ms. */
  readonly requestMs: number;
  /** Time after which a client that does not take the answer it is sent is disconnected, in ms. */
  readonly answerPatienceMs: number;
  /** Connections at once, requests or not; the next is closed. */
  readonly connections: number;
  /** Time an idle connection is kept, in ms; longer than the 60 s of usual load balancers, which would else meet closed connections. */
  readonly keepAliveMs: number;
  /** Clients of /v1/stream at once. */
  readonly streams: number;
  /** Time after which a client of /v1/stream that does not read is disconnected, in ms. */
  readonly streamPatienceMs: number;
  /** Time between two heartbeats on /v1/stream, in ms. */
  readonly heartbeatMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: 1_048_576,
  headerBytes: 16_384,
  pathIdLength: 200,
  requestMs: 15_000,
  answerPatienceMs: 30_000,
  connections: 2_000,
  keepAliveMs: 72_000,
  streams: 200,
  streamPatienceMs: 10_000,
  // The gateway takes a stream without one for 6 s for dead, and panels say so.
  heartbeatMs: 2_000,
};
