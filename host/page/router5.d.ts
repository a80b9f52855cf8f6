import type { ReactNode } from 'react';
/** The router whose context @grafana/ui's links read: the version 5 that @grafana/ui brings along. */
export declare function Router(props: { history: object; children: ReactNode }): JSX.Element;
