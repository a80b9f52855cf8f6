import type { DataSourceApi, DataSourceInstanceSettings, DataSourceRef, ScopedVars } from '@grafana/data';
import { config, getTemplateSrv } from '@grafana/runtime';
import type { DataSourceSrv } from '@grafana/runtime';
import { instantiate } from './plugin.ts';

/** Names and uids → settings and instances, with variables such as `${datasource}` resolved as Grafana resolves them. */
export function createDataSourceSrv(): DataSourceSrv & { forget(uid: string): void } {
  const instances = new Map<string, Promise<DataSourceApi>>();
  const all = (): DataSourceInstanceSettings[] => Object.values(config.datasources);

  const find = (
    ref: DataSourceRef | string | null | undefined,
    vars?: ScopedVars,
  ): DataSourceInstanceSettings | undefined => {
    const wanted = typeof ref === 'string' ? ref : ref?.uid;
    if (wanted == null || wanted === 'default') {
      const type = typeof ref === 'string' ? undefined : ref?.type;
      return all().find((settings) => (type ? settings.type === type : settings.isDefault));
    }
    const resolved = getTemplateSrv().replace(wanted, vars, (value: unknown) =>
      String(Array.isArray(value) ? value[0] : value),
    );
    const settings =
      resolved === 'default'
        ? all().find(({ isDefault }) => isDefault)
        : all().find(({ uid, name }) => uid === resolved || name === resolved);
    if (!settings || resolved === wanted) return settings;
    return {
      ...settings,
      isDefault: false,
      name: wanted,
      uid: wanted,
      rawRef: { type: settings.type, uid: settings.uid },
    };
  };

  return {
    get: async (ref, vars) => {
      const settings = find(ref, vars);
      if (!settings)
        throw new Error(`Data source ${typeof ref === 'string' ? ref : (ref?.uid ?? 'default')} was not found`);
      const real = all().find(({ uid }) => uid === (settings.rawRef?.uid ?? settings.uid)) ?? settings;
      const known = instances.get(real.uid) ?? instantiate(real);
      instances.set(real.uid, known);
      return known;
    },
    getInstanceSettings: find,
    getList: (filters) => {
      const types = filters?.type === undefined || Array.isArray(filters.type) ? filters?.type : [filters.type];
      return all().filter(
        (settings) =>
          (!types || types.includes(settings.type)) &&
          (!filters?.pluginId || settings.meta.id === filters.pluginId) &&
          (filters?.filter?.(settings) ?? true),
      );
    },
    reload: () => Promise.resolve(),
    registerRuntimeDataSource: () => {
      throw new Error('The plugin host has no runtime data sources.');
    },
    forget: (uid) => instances.delete(uid),
  };
}
