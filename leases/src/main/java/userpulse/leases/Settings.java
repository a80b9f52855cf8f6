package userpulse.leases;

import java.net.URI;
import java.util.Map;

/**
 * What ingest tells this program, as environment variables: ingest has read and judged its own settings, and keys and roles
 * are found by the AWS SDK as in any Java program.
 *
 * @param aliveMs how long ingest may be silent before it is taken for hung, and its leases are given up
 */
record Settings(String stream, String table, String worker, String region, URI kinesis, URI dynamodb, long failoverMs, long aliveMs) {
  static Settings of(Map<String, String> env) {
    return new Settings(
        required(env, "USERPULSE_LEASES_STREAM"),
        required(env, "USERPULSE_LEASES_TABLE"),
        required(env, "USERPULSE_LEASES_WORKER"),
        required(env, "USERPULSE_LEASES_REGION"),
        endpoint(env, "USERPULSE_LEASES_KINESIS"),
        endpoint(env, "USERPULSE_LEASES_DYNAMODB"),
        Long.parseLong(required(env, "USERPULSE_LEASES_FAILOVER_MS")),
        Long.parseLong(required(env, "USERPULSE_LEASES_ALIVE_MS")));
  }

  private static String required(Map<String, String> env, String name) {
    String value = env.get(name);
    if (value == null || value.isEmpty()) throw new IllegalArgumentException(name + " is not set: ingest starts this program.");
    return value;
  }

  /** null: AWS's own. */
  private static URI endpoint(Map<String, String> env, String name) {
    String value = env.get(name);
    return value == null || value.isEmpty() ? null : URI.create(value);
  }
}
