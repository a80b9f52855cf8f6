import {
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  FieldColorModeId,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import type { FieldConfigPropertyItem, FieldOverrideContext, TransformerRegistryItem } from '@grafana/data';

type Process = FieldConfigPropertyItem['process'];

const item = (
  path: string,
  process: unknown,
  more: Partial<FieldConfigPropertyItem> = {},
): FieldConfigPropertyItem => ({
  id: path,
  path,
  name: path,
  editor: () => null,
  override: () => null,
  process: process as Process,
  shouldApply: () => true,
  settings: {},
  ...more,
});

/**
 * Units, colours, thresholds and the like of a dashboard's panels take effect only through this registry.
 * Grafana's core fills it with editors as well; the host edits no panel options.
 */
export function registerStandardFieldConfig(): void {
  standardFieldConfigEditorRegistry.setInit(() => [
    item('unit', unitOverrideProcessor),
    item('min', numberOverrideProcessor),
    item('max', numberOverrideProcessor),
    item('decimals', numberOverrideProcessor),
    item('displayName', displayNameOverrideProcessor),
    item('noValue', stringOverrideProcessor),
    item('description', stringOverrideProcessor),
    item('filterable', booleanOverrideProcessor),
    item('fieldMinMax', booleanOverrideProcessor),
    item('color', identityOverrideProcessor, { defaultValue: { mode: FieldColorModeId.PaletteClassic } }),
    item('thresholds', thresholdsOverrideProcessor),
    item('mappings', valueMappingsOverrideProcessor, { defaultValue: [] }),
    item('links', dataLinksOverrideProcessor),
    item('actions', identityOverrideProcessor),
  ]);
  standardTransformersRegistry.setInit(() =>
    Object.values(standardTransformers).map(
      (transformation): TransformerRegistryItem =>
        ({
          id: transformation.id,
          name: transformation.name,
          transformation,
          editor: () => null,
          imageDark: '',
          imageLight: '',
        }) as unknown as TransformerRegistryItem,
    ),
  );
}

/** Registers a panel's `custom.*` options as they stand in the JSON, so that `applyFieldOverrides` lets them through. */
export const customFieldConfig =
  (defaults: Readonly<Record<string, unknown>>) =>
  (builder: { addCustomEditor(config: never): unknown }): void => {
    for (const [path, defaultValue] of Object.entries(defaults)) {
      builder.addCustomEditor({
        id: path,
        path,
        name: path,
        editor: () => null,
        override: () => null,
        process: (value: unknown, _context: FieldOverrideContext) => value,
        shouldApply: () => true,
        defaultValue,
      } as never);
    }
  };

/** Defaults of a panel's options. The host edits none, so it needs none of the editors that Grafana's core registers. */
type Builder = { addCustomEditor(config: never): Builder };
export const panelOptions = (defaults: object) => (builder: Builder) => {
  for (const [path, defaultValue] of Object.entries(defaults))
    builder.addCustomEditor({ id: path, path, name: path, editor: () => null, defaultValue } as never);
};
