import {
  Copy,
  DockerfileParser,
  From,
  JSONInstruction,
  PropertyInstruction,
  type Dockerfile,
  type Instruction,
} from 'dockerfile-ast';

/** One step of a stage, in the order of the file. `line` counts from 1, for messages. */
export type Step =
  | {
      readonly kind: 'copy';
      readonly line: number;
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly to: string;
    }
  | { readonly kind: 'run'; readonly line: number; readonly command: string }
  | { readonly kind: 'workdir'; readonly line: number; readonly path: string }
  | { readonly kind: 'env'; readonly line: number; readonly values: Readonly<Record<string, string>> };

export interface Stage {
  /** What other stages call it: its name, or its number. */
  readonly name: string;
  /** An image of a registry, or the name of an earlier stage. */
  readonly base: string;
  readonly steps: readonly Step[];
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly exposed: readonly number[];
}

/**
 * Reads the instructions that our Dockerfiles use. Another instruction or form is refused: the rehearsal would otherwise pass over
 * something that Docker does.
 * @throws Error naming the line
 */
export function readDockerfile(text: string): Stage[] {
  const file = DockerfileParser.parse(text);
  const stages: (Stage & { steps: Step[] })[] = [];
  for (const instruction of file.getInstructions()) {
    const line = instruction.getRange().start.line + 1;
    const keyword = instruction.getKeyword();
    const current = stages.at(-1);
    if (instruction instanceof From) {
      const base = expanded(file, instruction)[0];
      if (base === undefined) throw new Error(`line ${line}: FROM names no image.`);
      stages.push({
        name: instruction.getBuildStage() ?? String(stages.length),
        base,
        steps: [],
        entrypoint: undefined,
        cmd: undefined,
        exposed: [],
      });
      continue;
    }
    if (keyword === 'ARG') {
      const values = properties(file, instruction);
      current?.steps.push({ kind: 'env', line, values });
      continue;
    }
    if (current === undefined) throw new Error(`line ${line}: ${keyword} stands before the first FROM.`);
    switch (keyword) {
      case 'COPY': {
        const flags = instruction instanceof Copy ? instruction.getFlags() : [];
        for (const flag of flags) {
          if (!['from', 'chown', 'chmod'].includes(flag.getName()))
            throw new Error(`line ${line}: the rehearsal does not know COPY --${flag.getName()}.`);
        }
        const paths = expanded(file, instruction);
        const to = paths.pop();
        if (to === undefined || paths.length === 0) throw new Error(`line ${line}: COPY needs a source and a target.`);
        current.steps.push({
          kind: 'copy',
          line,
          from: flags.find((flag) => flag.getName() === 'from')?.getValue() ?? undefined,
          sources: paths,
          to,
        });
        break;
      }
      case 'RUN':
        current.steps.push({ kind: 'run', line, command: instruction.getArgumentsContent() ?? '' });
        break;
      case 'WORKDIR':
        current.steps.push({ kind: 'workdir', line, path: expanded(file, instruction).join(' ') });
        break;
      case 'ENV':
        current.steps.push({ kind: 'env', line, values: properties(file, instruction) });
        break;
      case 'ENTRYPOINT':
      case 'CMD': {
        const strings = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : [];
        if (strings.length === 0) throw new Error(`line ${line}: ${keyword} is not a JSON array.`);
        const words = strings.map((argument) => argument.getJSONValue());
        Object.assign(current, { [keyword.toLowerCase()]: words });
        break;
      }
      case 'EXPOSE':
        Object.assign(current, { exposed: [...current.exposed, ...expanded(file, instruction).map(Number)] });
        break;
      // Who runs the program, and what becomes a volume, changes no file.
      case 'USER':
      case 'VOLUME':
      case 'LABEL':
        break;
      default:
        throw new Error(`line ${line}: the rehearsal does not know ${keyword}.`);
    }
  }
  return stages;
}

/** The arguments with `${NAME}` replaced by what ARG and ENV give it. */
function expanded(file: Dockerfile, instruction: Instruction): string[] {
  const line = instruction.getRange().start.line;
  return instruction.getArguments().map((argument) => expand(argument.getValue(), file, line));
}

function expand(text: string, file: Dockerfile, line: number): string {
  return text.replace(/\$\{?(\w+)\}?/g, (_, name: string) => {
    const value =
      file.resolveVariable(name, line) ??
      // FROM sees the ARGs that stand before the first stage.
      file
        .getInitialARGs()
        .find((arg) => arg.getProperty()?.getName() === name)
        ?.getProperty()
        ?.getValue();
    if (value == null) throw new Error(`line ${line + 1}: ${name} has no value.`);
    return value;
  });
}

function properties(file: Dockerfile, instruction: Instruction): Record<string, string> {
  if (!(instruction instanceof PropertyInstruction)) throw new Error(`${instruction.getKeyword()} has no properties.`);
  const line = instruction.getRange().start.line;
  return Object.fromEntries(
    instruction.getProperties().map((property) => {
      const name = property.getName();
      const given = property.getValue();
      // `ARG NAME` inside a stage takes over the value given before the first one.
      return [name, given === null ? expand(`\${${name}}`, file, line) : expand(given, file, line)];
    }),
  );
}
