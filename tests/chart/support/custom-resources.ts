import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const PROMETHEUS_OPERATOR = '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
const KINDS = {
  PrometheusRule: { model: PrometheusRule, module: `${PROMETHEUS_OPERATOR}/PrometheusRule` },
  ServiceMonitor: { model: ServiceMonitor, module: `${PROMETHEUS_OPERATOR}/ServiceMonitor` },
  ScaledObject: { model: ScaledObject, module: '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject' },
} as const;
type Kind = keyof typeof KINDS;

export const isCustomResource = (kind: string): kind is Kind => Object.hasOwn(KINDS, kind);

/**
 * Problems of objects of the Prometheus Operator's and KEDA's kinds, one text each.
 *
 * The models' validators come from the custom resource definitions but let unknown fields pass. The compiler does not: each object is
 * also checked as an object literal against the model's interface.
 *
 * @param objects JSON of each object
 */
export function customResourceProblems(objects: readonly { kind: Kind; json: string }[]): readonly string[] {
  const problems: string[] = [];
  for (const { kind, json } of objects) {
    try {
      new KINDS[kind].model(JSON.parse(json) as never).validate();
    } catch (error) {
      problems.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const file = fileURLToPath(new URL('objects.ts', import.meta.url));
  const source = objects
    .map(({ kind, json }, i) => `export const object${i}: import('${KINDS[kind].module}').I${kind} = ${json};\n`)
    .join('');
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.readFile = (path) => (path === file ? source : readFile(path));
  host.getSourceFile = (path, ...rest) =>
    path === file ? ts.createSourceFile(path, source, ts.ScriptTarget.ES2023) : getSourceFile(path, ...rest);
  const program = ts.createProgram([file], options, host);
  const lines = source.split('\n');
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
    const at = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
    problems.push(`${message}${at === undefined ? '' : ` In ${lines[at.line] ?? ''}`}`);
  }
  return problems;
}
