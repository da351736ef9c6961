/** `outrigger verify`: says where journals, bucket, Redis and brokers contradict each other. */
import { randomBytes } from 'node:crypto';
import { OutriggerError } from '../kafka/index.ts';
import { systemClock } from '../runtime/index.ts';
import {
  type Finding,
  type Unchecked,
  verify as verifyAll,
  type VerifyOutcome,
} from '../workers/index.ts';
import { ProgressBar } from './progress-bar.ts';
import { Site } from './site.ts';

export interface VerifyArguments {
  readonly config?: string;
  readonly offline?: boolean;
  readonly deep?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

const EXIT_CODE = { clean: 0, findings: 1, unchecked: 2 } as const;
/** What is younger may be on its way. */
const GRACE_MS = 3_600_000;
/** In each group; the whole of it with `--all`. */
const SAMPLE = { partitionsMax: 100, bytesMax: 1024 * 1024 };
const EVERYTHING = { partitionsMax: Infinity, bytesMax: Infinity };

/** Exit code 0: all is well, 1: there are findings, 2: something could not be looked at. */
export async function verify(args: VerifyArguments): Promise<void> {
  try {
    const outcome = await Site.use(args.config, (site) => run(site, args));
    if (args.json !== true) console.log(SUMMARY[outcome]);
    process.exitCode = EXIT_CODE[outcome];
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = EXIT_CODE.unchecked;
  }
}

const SUMMARY: Readonly<Record<VerifyOutcome, string>> = {
  clean: 'All is well.',
  findings: 'See "What verify finds" in docs/operations.md for what to do about each.',
  unchecked: 'Nothing is wrong with what could be looked at.',
};

async function run(site: Site, args: VerifyArguments): Promise<VerifyOutcome> {
  const store = await site.store();
  const isLive = args.offline !== true;
  const cluster = isLive ? await site.cluster() : undefined;
  const bar = new ProgressBar('partition groups', 1);
  const print = (line: string): void => {
    bar.stop();
    console.log(line);
  };
  const coordinatorOf = (clusterId: string) => site.coordinator(store, clusterId);
  return await verifyAll({
    store,
    clusterId: cluster?.clusterId,
    log: cluster?.log,
    openCoordinator: isLive && site.hasRedis ? coordinatorOf : undefined,
    clock: systemClock,
    random: randomBytes,
    logger: site.logger,
    isDeep: args.deep === true,
    sample: args.all === true ? EVERYTHING : SAMPLE,
    graceMs: GRACE_MS,
    listener: {
      onFinding: (finding) => print(args.json === true ? asJson(finding) : asText(finding)),
      onUnchecked: (unchecked) => print(args.json === true ? asJson(unchecked) : asText(unchecked)),
    },
    onGroup: (group, groupCount) => bar.at(group + 1, groupCount),
  }).finally(() => bar.stop());
}

/** One line each; offsets are strings, because they may be beyond what a double holds. */
function asJson(found: Finding | Unchecked): string {
  return JSON.stringify(found, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

function asText(found: Finding | Unchecked): string {
  const { group, topic, partition, startOffset, endOffset, object } = found;
  const where = [
    topic === undefined ? (group === undefined ? '' : `group ${group}`) : `${topic}-${partition}`,
    startOffset === undefined ? '' : `offsets ${startOffset} to ${endOffset}`,
    object ?? '',
  ].filter((part) => part !== '');
  const what =
    'kind' in found
      ? `${found.severity} ${found.kind}: ${found.message}`
      : `unchecked: ${found.what}: ${found.reason}`;
  return where.length === 0 ? what : `${what} (${where.join(', ')})`;
}
