import type { TimeRange } from '@grafana/data';
import type { UserpulseDataSource } from '../../datasource.ts';
import { labels } from '../../labels.ts';
import { shareIdProblem, userIdProblem } from '../../query/validate.ts';
import { shareCreated } from '../../share.ts';
import type { IdPreset } from '../../types.ts';
import { EditorField } from './EditorField.tsx';
import { IdsInput } from './IdsInput.tsx';
import { useIdSuggestions } from './useIdSuggestions.ts';

interface Props {
  readonly id: string;
  readonly datasource: UserpulseDataSource;
  readonly preset: IdPreset;
  readonly ids: readonly string[];
  readonly range: TimeRange | undefined;
  readonly problem: string | undefined;
  readonly onChange: (ids: readonly string[]) => void;
}

/** The users or shares of a question. */
export function IdsField({ id, datasource, preset, ids, range, problem, onChange }: Props) {
  const { suggestions, load } = useIdSuggestions(datasource, preset, range);
  const share = preset === 'share';
  const { label, help, placeholder } = share ? labels.query.shares : labels.query.users;
  return (
    <EditorField htmlFor={id} label={label} help={help} width={32} grow problem={problem}>
      <IdsInput
        // Text that was typed for users is no share's.
        key={share ? 'share' : 'user'}
        id={id}
        label={label}
        placeholder={placeholder}
        ids={ids}
        suggestions={suggestions}
        onOpen={load}
        onChange={onChange}
        isTemplate={datasource.isTemplate}
        problemOf={share ? shareIdProblem : userIdProblem}
        {...(share && { noteOf: createdNote })}
      />
    </EditorField>
  );
}

function createdNote(shareId: string): string | undefined {
  const created = shareCreated(shareId);
  return created && `Created ${created.toISOString().replace('T', ' ').slice(0, 19)} UTC, by its id`;
}
