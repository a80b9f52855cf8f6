import type { DataSourceJsonData } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';
import type { QueryFields, VariableFields } from '../contract/query.ts';

/** A query as it is saved in a dashboard. Its fields are those of contract/query.ts; entries of `ids` and `types` may be template variables. */
export type UserpulseQuery = DataQuery & QueryFields;

/** The query of a dashboard variable. */
export type UserpulseVariableQuery = DataQuery & VariableFields;

/** The settings that are no secret. Names are the gateway's (pkg/README.md); those of TLS are Grafana's own. */
export interface UserpulseOptions extends DataSourceJsonData {
  /** How long one call of the backend may take, 1 to 600. */
  timeout?: number;
  tlsSkipVerify?: boolean;
  tlsAuthWithCACert?: boolean;
  tlsAuth?: boolean;
  serverName?: string;
  /** Calls carry the login of the Grafana user they are for, as X-Grafana-User; off unless switched on. */
  sendUser?: boolean;
  /** Series link to the bundled dashboards of their id; on unless switched off. */
  dashboardLinks?: boolean;
}

/** Secrets: Grafana keeps them encrypted and gives them to the gateway only. */
export interface UserpulseSecrets {
  apiToken?: string;
  basicAuthPassword?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}
