/** The states that may follow each state. */
export type Edges<S extends string> = Readonly<Record<S, readonly S[]>>;

/** A state that changes only along edges written down beforehand. */
export class StateMachine<S extends string> {
  readonly #name: string;
  readonly #edges: Edges<S>;
  #state: S;

  /** @param name of what is in the state, for messages */
  constructor(name: string, edges: Edges<S>, initial: S) {
    this.#name = name;
    this.#edges = edges;
    this.#state = initial;
  }

  get state(): S {
    return this.#state;
  }

  /** @throws Error where no edge leads there: a mistake in the program */
  become(next: S): void {
    if (!this.#edges[this.#state].includes(next)) {
      throw new Error(`${this.#name} cannot go from ${this.#state} to ${next}.`);
    }
    this.#state = next;
  }
}
