/** Set by the bundler: version of @grafana/* this bundle holds, and the mode of React and Grafana in it. */
declare const HOST_GRAFANA_VERSION: string;
declare const HOST_MODE: 'production' | 'development';

/** Of SystemJS and its extras, what the host uses. */
declare const System: {
  set(id: string, module: object): void;
  import(id: string): Promise<unknown>;
  addImportMap(map: { imports: Record<string, string> }): void;
};

declare module '*.css';
