// @ts-check
/**
 * lifion-kinesis into one bucket of InfluxDB: the program that its user would write around it. The library reads and parses; this turns every event
 * into one point (tag type, field user) and awaits a POST per page. It aggregates no records, has one bucket instead of four, and no archive.
 *
 * Environment: KINESIS, DYNAMODB, INFLUX (URLs), STREAM, BUCKET
 */
const { Agent, request } = require('node:http');
const Kinesis = require('lifion-kinesis');

const { KINESIS, DYNAMODB, INFLUX, STREAM, BUCKET } = process.env;
const account = { region: 'us-east-1', accessKeyId: 'bench', secretAccessKey: 'bench' };
const agent = new Agent({ keepAlive: true });

/** @param {string} lines @returns {Promise<void>} */
const post = (lines) =>
  new Promise((resolve, reject) => {
    const body = Buffer.from(lines);
    const headers = { 'content-length': body.length, authorization: 'Token bench' };
    const url = `${INFLUX}/api/v2/write?org=bench&bucket=${BUCKET}&precision=ms`;
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => (response.statusCode === 204 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    call.on('error', reject);
    call.end(body);
  });

const kinesis = new Kinesis({
  ...account,
  endpoint: KINESIS,
  streamName: STREAM,
  createStreamIfNeeded: false,
  initialPositionInStream: 'TRIM_HORIZON',
  useAutoShardAssignment: false,
  // Pages of about 1 MB: the default of 10,000 records would pass the quota of 2 MB/s at once and wait.
  limit: 1000,
  pollDelay: 250,
  noRecordsPollDelay: 250,
  dynamoDb: { ...account, endpoint: DYNAMODB, tableName: `bench-${process.pid}` },
  supressThroughputWarnings: true,
});

async function main() {
  await kinesis.startConsumer();
  for await (const { records } of kinesis) {
    let lines = '';
    for (const { data } of records) {
      lines += `interaction,type=${data.type} user=${data.actorId}i ${Date.parse(data.occurredAt)}\n`;
    }
    if (lines !== '') await post(lines);
  }
}

process.on('SIGTERM', () => process.exit(0));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
