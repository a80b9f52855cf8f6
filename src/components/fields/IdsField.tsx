import type { TimeRange } from '@grafana/data';
import { DEFAULT_ID_FORMATS, shareCreated, type IdFormats, type IdKind } from '../../../contract/ids.ts';
import { idKindOf, isRanked, type IdPreset } from '../../../contract/presets.ts';
import { problemText } from '../../../contract/problem.ts';
import { idProblem } from '../../../contract/rules.ts';
import type { EditorServices } from '../../services.ts';
import { texts } from '../../texts.ts';
import { EditorField } from './EditorField.tsx';
import { IdsInput } from './IdsInput.tsx';
import { useIdSuggestions } from './useIdSuggestions.ts';

interface Props {
  readonly id: string;
  readonly datasource: EditorServices;
  /** Whose ids: these are suggested. */
  readonly preset: IdPreset;
  /** How ids are written; undefined where the backend has not said it. */
  readonly formats: IdFormats | undefined;
  readonly ids: readonly string[];
  readonly range: TimeRange | undefined;
  readonly problem: string | undefined;
  readonly onChange: (ids: readonly string[]) => void;
}

/** The users or shares that a query is about. */
export function IdsField({ id, datasource, preset, formats, ids, range, problem, onChange }: Props) {
  const { suggestions, load } = useIdSuggestions(datasource, isRanked(preset) ? preset : undefined, range);
  const kind = idKindOf(preset);
  const { label, help, placeholder } = texts.ids[kind];
  const format = (formats ?? DEFAULT_ID_FORMATS)[kind];
  const noteOf = NOTE[kind];
  return (
    <EditorField htmlFor={id} label={label} help={help(format)} width={32} grow problem={problem}>
      <IdsInput
        // Text that was typed for users belongs to no share.
        key={kind}
        id={id}
        label={label}
        placeholder={placeholder(format)}
        ids={ids}
        suggestions={suggestions}
        onOpen={load}
        onChange={onChange}
        isTemplate={datasource.isTemplate}
        problemOf={(one) => {
          const wrong = idProblem(kind, one, formats);
          return wrong && problemText(wrong);
        }}
        {...(noteOf && { noteOf })}
      />
    </EditorField>
  );
}

/** What an id itself tells. */
const NOTE: Partial<Record<IdKind, (id: string) => string | undefined>> = { share: createdNote };

function createdNote(shareId: string): string | undefined {
  const created = shareCreated(shareId);
  return created && `Created ${created.toISOString().replace('T', ' ').slice(0, 19)} UTC, by its id`;
}
