/** What `verify` says of a site. */
import { pino } from 'pino';
import type { Finding, Unchecked } from '../../../../workers/verify/finding.ts';
import { verify, type VerifyOptions } from '../../../../workers/verify/verify.ts';
import { CLUSTER_ID, type Site } from './site.ts';

const HOUR_MS = 3_600_000;

export interface Verified {
  readonly outcome: string;
  readonly findings: readonly Finding[];
  readonly unchecked: readonly Unchecked[];
}

/** @param overrides what is not as in most tests */
export async function verified(
  site: Site,
  overrides: Partial<VerifyOptions> = {},
): Promise<Verified> {
  const findings: Finding[] = [];
  const unchecked: Unchecked[] = [];
  const outcome = await verify({
    store: site.store,
    clusterId: CLUSTER_ID,
    openCoordinator: async () => site.copies,
    log: site.log,
    clock: site.clock,
    random: (byteCount) => Buffer.alloc(byteCount),
    logger: pino({ level: 'silent' }),
    isDeep: false,
    sample: { partitionsMax: Infinity, bytesMax: Infinity },
    graceMs: HOUR_MS,
    listener: {
      onFinding: (finding) => findings.push(finding),
      onUnchecked: (what) => unchecked.push(what),
    },
    onGroup: () => {},
    ...overrides,
  });
  return { outcome, findings, unchecked };
}
