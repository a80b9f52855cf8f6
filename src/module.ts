import { DataSourcePlugin } from '@grafana/data';
import { ConfigEditor } from './components/ConfigEditor.tsx';
import { QueryEditor } from './components/QueryEditor/index.tsx';
import { QueryEditorHelp } from './components/QueryEditorHelp.tsx';
import { UserpulseDataSource } from './datasource.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseSecrets } from './types.ts';

export const plugin = new DataSourcePlugin<UserpulseDataSource, UserpulseQuery, UserpulseOptions, UserpulseSecrets>(
  UserpulseDataSource,
)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor)
  .setQueryEditorHelp(QueryEditorHelp);
