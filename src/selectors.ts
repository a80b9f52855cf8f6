/** `data-testid` of what tests and end-to-end specs reach for where a label alone does not name it. */
export const selectors = {
  queryEditor: {
    root: 'userpulse query editor',
    ids: 'userpulse query ids',
    idChip: 'userpulse query id',
    fluxText: 'userpulse query flux text',
  },
  help: { example: 'userpulse help example' },
} as const;
