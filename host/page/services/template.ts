import type { ScopedVars, TypedVariableModel } from '@grafana/data';
import type { TemplateSrv } from '@grafana/runtime';
import { sceneGraph } from '@grafana/scenes';
import type { SceneObject, SceneVariable, VariableCustomFormatterFn } from '@grafana/scenes';

const VARIABLE = /\$(\w+)|\[\[(\w+?)(?::\w+)?\]\]|\$\{(\w+)(?:\.[^:^}]+)?(?::[^}]+)?\}/;

declare global {
  interface Window {
    __grafanaSceneContext?: SceneObject;
  }
}

const asModel = (variable: SceneVariable): TypedVariableModel => {
  const { key: _, ...state } = variable.state;
  return {
    ...state,
    id: state.name,
    current: { value: variable.getValue(), text: variable.getValueText?.() ?? '' },
  } as unknown as TypedVariableModel;
};

/** As Grafana's TemplateSrv on a dashboard of scenes: a query's own scene object decides, else the scene on the page. */
export function createTemplateSrv(): TemplateSrv {
  const context = (vars?: ScopedVars): SceneObject | undefined => {
    const wrapped = (vars as { __sceneObject?: { value: { valueOf(): SceneObject } } } | undefined)?.__sceneObject;
    return wrapped?.value.valueOf() ?? window.__grafanaSceneContext;
  };
  const replaceScoped = (target: string, vars: ScopedVars): string =>
    target.replace(new RegExp(VARIABLE, 'g'), (whole, ...groups: (string | undefined)[]) => {
      const found = vars[groups.slice(0, 3).find((name) => name !== undefined) ?? ''];
      return found === undefined ? whole : String(found.value);
    });
  return {
    getVariables: () => {
      const scene = context();
      return scene ? sceneGraph.getVariables(scene).state.variables.map(asModel) : [];
    },
    replace: (target, vars, format, interpolations) => {
      const text = target ?? '';
      const scene = context(vars);
      // The page's own scene may be the one just left; an object that comes with the query is right in any state (a variable is never active).
      const own = (vars as { __sceneObject?: unknown } | undefined)?.__sceneObject !== undefined;
      if (scene === undefined || (!own && !scene.isActive)) return replaceScoped(text, vars ?? {});
      return sceneGraph.interpolate(scene, text, vars, format as string | VariableCustomFormatterFn, interpolations);
    },
    containsTemplate: (target) => {
      const name = VARIABLE.exec(target ?? '')
        ?.slice(1)
        .find((group) => group !== undefined);
      if (name === undefined) return false;
      const scene = context();
      return name.startsWith('__') || (scene !== undefined && sceneGraph.lookupVariable(name, scene) !== null);
    },
    updateTimeRange: () => undefined,
  };
}
