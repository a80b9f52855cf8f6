import type { AnnotationQuery, DataSourceRef, DataTransformerConfig, FieldConfigSource } from '@grafana/data';
import type { SceneDataQuery } from '@grafana/scenes';

/** The part of Grafana's classic dashboard JSON that the host draws. */
export interface ClassicDashboard {
  readonly title: string;
  readonly uid?: string;
  readonly description?: string;
  readonly timezone?: string;
  readonly refresh?: string | boolean;
  readonly graphTooltip?: number;
  readonly time?: { readonly from: string; readonly to: string };
  readonly templating?: { readonly list?: readonly ClassicVariable[] };
  readonly annotations?: { readonly list?: readonly AnnotationQuery[] };
  readonly panels?: readonly ClassicPanel[];
}

export interface ClassicPanel {
  readonly id?: number;
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly transparent?: boolean;
  readonly gridPos?: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: DataSourceRef;
  readonly targets?: readonly SceneDataQuery[];
  readonly options?: Record<string, unknown>;
  readonly fieldConfig?: FieldConfigSource;
  readonly transformations?: readonly DataTransformerConfig[];
  readonly interval?: string;
  readonly maxDataPoints?: number;
  readonly timeFrom?: string;
  /** Rows */
  readonly collapsed?: boolean;
  readonly panels?: readonly ClassicPanel[];
}

interface Chosen {
  readonly text?: string | string[];
  readonly value?: string | string[];
}

export interface ClassicVariable {
  readonly type: string;
  readonly name: string;
  readonly label?: string;
  readonly description?: string;
  readonly hide?: number;
  readonly skipUrlSync?: boolean;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
  readonly allValue?: string;
  readonly allowCustomValue?: boolean;
  readonly datasource?: DataSourceRef;
  readonly query?: string | Record<string, unknown>;
  readonly regex?: string;
  readonly refresh?: number;
  readonly sort?: number;
  readonly current?: Chosen;
  readonly auto?: boolean;
  readonly auto_min?: string;
  readonly auto_count?: number;
}

/** Every drawable panel, those within rows too, with an id: Grafana numbers panels that have none. */
export function panelsOf(dashboard: ClassicDashboard): readonly (ClassicPanel & { readonly id: number })[] {
  return (dashboard.panels ?? [])
    .flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]))
    .map((panel, index) => ({ ...panel, id: panel.id ?? index + 1 }));
}

export async function loadDashboard(name: string): Promise<ClassicDashboard> {
  const response = await fetch(`/dashboards/${encodeURIComponent(name)}.json`);
  if (!response.ok) throw new Error(`There is no dashboard "${name}" (${response.status}).`);
  return (await response.json()) as ClassicDashboard;
}

/** Names of the provisioned dashboards, without `.json`. */
export async function dashboardNames(): Promise<readonly string[]> {
  const response = await fetch('/api/dashboards');
  if (!response.ok) throw new Error(`The list of dashboards could not be read (${response.status}).`);
  const order = ['overview', 'received', 'made', 'share'];
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return ((await response.json()) as string[])
    .map((file) => file.replace(/\.json$/, ''))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
