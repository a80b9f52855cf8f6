/**
 * Objects that other systems wrap around what they deliver. The event is inside, where nobody looks for it: the contract's fields are at the
 * top level. Only for the reasons of dead letters.
 */
const ENVELOPES: readonly (readonly [members: readonly string[], what: string, fix: string])[] = [
  [
    ['messageType', 'logGroup', 'logEvents'],
    'a CloudWatch Logs subscription record',
    'Its log lines are in logEvents[].message: unwrap them with a Lambda function, and put each event on the stream.',
  ],
  [
    ['detail-type', 'detail', 'source'],
    'an EventBridge event',
    'Its event is in "detail": give the target an input path of $.detail.',
  ],
  [['Type', 'TopicArn', 'Message'], 'an SNS notification', 'Its event is in "Message": turn on raw message delivery.'],
  [
    ['Records'],
    'a batch of records as Lambda receives it',
    'Put each record on the stream by itself, without the batch around it.',
  ],
  [
    ['awsRegion', 'dynamodb', 'eventName'],
    'a change of a DynamoDB table',
    'Its item is in dynamodb.NewImage: unmarshal it, and put the event on the stream.',
  ],
  [['data', 'metadata'], 'a record of AWS DMS', 'Its row is in "data": unwrap it before it is put on the stream.'],
  [
    ['schema', 'payload'],
    'a Kafka Connect message with its schema',
    'Its event is in "payload": set value.converter.schemas.enable=false, or unwrap it.',
  ],
  [
    ['before', 'after', 'op'],
    'a Debezium change event',
    'Its row is in "after": unwrap it before it is put on the stream.',
  ],
  [
    ['specversion', 'source', 'id'],
    'a CloudEvents envelope',
    'Its event is in "data": unwrap it before it is put on the stream.',
  ],
];

/** What an object is that has none of the contract's required fields, as whole sentences; undefined where it is no known envelope. */
export function envelopeProblem(object: object, what: string): string | undefined {
  const known = ENVELOPES.find(([members]) => members.every((member) => Object.hasOwn(object, member)));
  return known === undefined ? undefined : `${what} is ${known[1]}, not an event. ${known[2]}`;
}

/** How libraries write values that JSON has no type for: MongoDB's extended JSON, DynamoDB's, Long.js, protobuf's timestamps. */
export function wrappedValue(value: object): string | undefined {
  const names = Object.keys(value);
  const [name] = names;
  if (name === undefined || names.length > 3) return undefined;
  if (name.startsWith('$')) {
    return `It is MongoDB extended JSON (${name}): send the bare value, as EJSON.stringify does not.`;
  }
  if (names.length === 1 && (name === 'S' || name === 'N')) {
    return `It is DynamoDB JSON ("${name}"): unmarshal it, and send the bare value.`;
  }
  if (names.includes('low') && names.includes('high')) {
    return 'It is an object of Long.js: send its toString().';
  }
  if (/^_?seconds$/.test(name)) {
    return 'It is a protobuf or Firestore timestamp: send it as RFC 3339 or in milliseconds.';
  }
  return undefined;
}
