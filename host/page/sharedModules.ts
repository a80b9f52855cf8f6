import * as emotionCss from '@emotion/css';
import * as emotionReact from '@emotion/react';
import * as grafanaData from '@grafana/data';
import * as grafanaI18n from '@grafana/i18n';
import * as grafanaRuntime from '@grafana/runtime';
import * as grafanaRuntimeUnstable from '@grafana/runtime/unstable';
import * as grafanaUi from '@grafana/ui';
import * as grafanaUiUnstable from '@grafana/ui/unstable';
import i18next from 'i18next';
import lodash from 'lodash';
import moment from 'moment';
import * as react from 'react';
import * as jsxDevRuntime from 'react/jsx-dev-runtime';
import * as jsxRuntime from 'react/jsx-runtime';
import * as reactDom from 'react-dom';
import * as rxjs from 'rxjs';
import * as rxjsOperators from 'rxjs/operators';

/** A default export that is also the namespace, as AMD modules that use a CommonJS library expect it. */
const withDefault = (value: object) => ({ ...value, default: value, __useDefault: true });

const shared: Readonly<Record<string, object>> = {
  react: { ...react, default: react },
  'react-dom': { ...reactDom, default: reactDom },
  'react/jsx-runtime': jsxRuntime,
  'react/jsx-dev-runtime': jsxDevRuntime,
  '@emotion/css': emotionCss,
  '@emotion/react': emotionReact,
  rxjs,
  'rxjs/operators': rxjsOperators,
  lodash: withDefault(lodash),
  moment: withDefault(moment),
  i18next: { ...i18next, default: i18next },
  '@grafana/data': grafanaData,
  '@grafana/i18n': grafanaI18n,
  '@grafana/ui': grafanaUi,
  '@grafana/ui/unstable': grafanaUiUnstable,
  '@grafana/runtime': grafanaRuntime,
  '@grafana/runtime/unstable': grafanaRuntimeUnstable,
};

/** Makes Grafana's own modules available to plugins, as Grafana's plugin loader does. */
export function shareModules(): void {
  for (const [id, module] of Object.entries(shared)) System.set(`package:${id}`, module);
  System.addImportMap({ imports: Object.fromEntries(Object.keys(shared).map((id) => [id, `package:${id}`])) });
}
