import { z } from 'zod';

/** What the messages need of a zod issue; fastify-type-provider-zod hands issues on in a form of its own. */
export interface Issue {
  readonly path: readonly string[];
  readonly message: string;
  readonly keys?: readonly string[];
}

const MAX_SHOWN = 5;

const providerIssue = z.object({
  instancePath: z.string(),
  message: z.string(),
  params: z.object({ keys: z.array(z.string()).optional() }).optional(),
});

/** The issues of a request that fastify refused by its schema; undefined for any other error. */
export function issuesOf(error: Error): readonly Issue[] | undefined {
  if (!('validation' in error)) return undefined;
  const parsed = z.array(providerIssue).safeParse(error.validation);
  if (!parsed.success) return undefined;
  return parsed.data.map((i) => ({
    path: i.instancePath.split('/').filter((p) => p !== ''),
    message: i.message,
    ...(i.params?.keys === undefined ? {} : { keys: i.params.keys }),
  }));
}

export const zodIssues = (error: z.ZodError): readonly Issue[] =>
  error.issues.map((i) => ({
    path: i.path.map(String),
    message: i.message,
    ...(i.code === 'unrecognized_keys' ? { keys: i.keys } : {}),
  }));

/** One text for all issues: each names its field and what to change. */
export function describeIssues(issues: readonly Issue[], context: string): string {
  const texts = issues.slice(0, MAX_SHOWN).map((i) => describeIssue(i, context));
  const more = issues.length - texts.length;
  return `${[...texts, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')}.`;
}

function describeIssue(issue: Issue, context: string): string {
  const name = fieldName(issue.path, context);
  if (issue.keys !== undefined) {
    const one = issue.keys.length === 1;
    const not =
      context === 'querystring'
        ? `${one ? 'is not a parameter' : 'are not parameters'} here`
        : `${one ? 'is not a member' : 'are not members'} of the ${context}`;
    return `${issue.keys.map((k) => JSON.stringify(k.slice(0, 60))).join(', ')} ${not}`;
  }
  const typed = /^Invalid input: expected ([a-z]+), received ([A-Za-z]+)$/.exec(issue.message);
  const [, expected = '', received = ''] = typed ?? [];
  if (received === 'undefined') return `${name} is required`;
  if (received === 'array' && context === 'querystring') return `${name} is given more than once: give it once`;
  if (expected === 'int') return `${name} must be a whole number`;
  if (typed !== null) return `${name} must be ${article(expected)}, not ${article(received)}`;
  // Our own rules are written to follow the name: "is required …", "must be …".
  return /^(is|must|may|has|cannot) /.test(issue.message)
    ? `${name} ${issue.message}`
    : `${name}: ${issue.message.replace(/^Invalid input: /, '').replace(/^Too /, 'too ')}`;
}

const article = (type: string): string => {
  if (type === 'null' || type === 'NaN') return type;
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
};

/** `queries[0].ids[3]`, or what the whole of it is called. */
function fieldName(path: readonly string[], context: string): string {
  if (path.length === 0) return context === 'querystring' ? 'The query string' : `The ${context}`;
  return path.reduce((name, p) => (/^\d+$/.test(p) ? `${name}[${p}]` : name === '' ? p : `${name}.${p}`), '');
}
