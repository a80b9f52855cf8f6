import type { Calculation, Label, Preset } from '../../backend/src/query/request.ts';
import type { IdPreset } from '../../backend/src/schema/buckets.ts';

/**
 * The backend owns these facts (`backend/src/query/request.ts`); importing its values would bundle its validator, so they are
 * repeated here, typed by it, and a test holds them equal.
 */
export const PRESETS = ['made', 'received', 'share', 'everyone', 'top'] as const satisfies readonly Preset[];
export const CALCULATIONS = ['count', 'rate', 'cumulative', 'total'] as const satisfies readonly Calculation[];
export const LABELS = ['id', 'type'] as const satisfies readonly Label[];
export const ID_PRESETS = ['made', 'received', 'share'] as const satisfies readonly IdPreset[];
export const MAX_IDS = 50;
export const MAX_WINDOWS = 11_000;
export const MAX_TOP = 1000;

export const isIdPreset = (preset: Preset): preset is IdPreset => (ID_PRESETS as readonly Preset[]).includes(preset);
