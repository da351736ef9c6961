/** How tests delete all entries that may be deleted, however young. */
import { pino } from 'pino';
import type { JournalPlace, PruneOptions } from '../../storage/index.ts';

export const PRUNE_ALL: Omit<PruneOptions, keyof JournalPlace> = {
  isOld: () => true,
  entriesMax: 1_000,
  beforeMark: async () => {},
  beforeDelete: async () => {},
  logger: pino({ level: 'silent' }),
};
