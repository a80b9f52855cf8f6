export { MAX_IDS, MAX_TOP, MAX_WINDOWS } from '../../contract/limits.ts';
export { ID_PRESETS, isIdPreset, PRESET_NAMES as PRESETS } from '../../contract/presets.ts';
export { CALCULATION_NAMES as CALCULATIONS, LABELS } from '../../contract/query.ts';
