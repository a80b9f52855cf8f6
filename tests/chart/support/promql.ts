import { parser } from '@prometheus-io/lezer-promql';

/**
 * Names of the metrics that a PromQL expression reads.
 * @throws Error if it is not PromQL, with the part that is not
 */
export function metricsIn(expression: string): readonly string[] {
  const names: string[] = [];
  parser.parse(expression).iterate({
    enter: (node) => {
      const text = expression.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`This is not PromQL, at "${expression.slice(node.from)}": ${expression}`);
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector') names.push(text);
    },
  });
  return names;
}
