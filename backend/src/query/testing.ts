import type { InteractionsResult, QueryResponse, TopResult, WhoResult } from '../../../contract/answers.ts';
import { interactionsJson, queryJson } from './render.ts';
import type { InteractionsAnswer, QueryAnswer, QueryService } from './service.ts';

/** Makers for tests; nothing in production imports this file. */

/** Answers as a client reads them. */
export const readQueryAnswer = (answer: QueryAnswer): QueryResponse =>
  JSON.parse(Buffer.concat([...queryJson(answer)]).toString()) as QueryResponse;
export const readInteractions = (answer: InteractionsAnswer): InteractionsResult =>
  JSON.parse(Buffer.concat([...interactionsJson(answer)]).toString()) as InteractionsResult;

type Arguments<M extends 'query' | 'interactions' | 'top' | 'who' | 'types'> = Parameters<QueryService[M]>;

/** A query service whose answers have gone over the wire. */
export interface ReadService extends Pick<QueryService, 'translate' | 'live' | 'wake' | 'answers' | 'joined' | 'kept'> {
  query(...given: Arguments<'query'>): Promise<QueryResponse>;
  interactions(...given: Arguments<'interactions'>): Promise<InteractionsResult>;
  top(...given: Arguments<'top'>): Promise<TopResult>;
  who(...given: Arguments<'who'>): Promise<WhoResult>;
  types(...given: Arguments<'types'>): Promise<readonly string[]>;
}

export const overTheWire = (service: QueryService): ReadService => ({
  query: async (...given) => readQueryAnswer(await service.query(...given)),
  interactions: async (...given) => readInteractions(await service.interactions(...given)),
  top: async (...given) => ({ top: (await service.top(...given)).top }),
  who: async (...given) => {
    const { who, people } = await service.who(...given);
    return { who, people };
  },
  types: async (...given) => (await service.types(...given)).types,
  translate: (request) => service.translate(request),
  live: (input, signal) => service.live(input, signal),
  wake: () => service.wake(),
  answers: service.answers,
  joined: service.joined,
  kept: service.kept,
});
