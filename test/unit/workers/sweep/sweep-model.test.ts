/**
 * The sweep rule, model-checked: every state that a small cluster can reach with these faults, with
 * the rule's real code. A scenario has as many faults as can be explored in seconds.
 */
import { expect, test } from 'vitest';
import { explore } from './model/explore.ts';
import { BUGS, type Assumption, type Bug, type Scenario } from './model/scenario.ts';

const TIMEOUT_MS = 180_000;

const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  ['members die', { files: 1, workers: 1, budget: { deaths: 1, cutConnections: 1 } }],
  [
    'members stall, connections are cut off, appends are late',
    { files: 2, workers: 1, budget: { cutConnections: 1 } },
  ],
  [
    'leaders change, clean and unclean, and deposed ones answer',
    { files: 1, workers: 1, budget: { elections: 2, uncleanElections: 1 } },
  ],
  [
    'offsets get other batches after an unclean election',
    { files: 2, workers: 1, isBrisk: true, budget: { elections: 1, uncleanElections: 1 } },
  ],
  ['two workers merge at once', { files: 2, workers: 2, isBrisk: true, budget: {} }],
  ['Redis forgets and falls back', { files: 1, workers: 1, budget: { redisFaults: 2 } }],
  [
    'Redis forgets one of two files',
    { files: 2, workers: 1, isBrisk: true, budget: { redisFaults: 1 } },
  ],
  ['Redis has two masters for a while', { files: 1, workers: 1, budget: { redisForks: 1 } }],
  ['a topic is deleted and made again', { files: 1, workers: 1, budget: { deletions: 1 } }],
  [
    'a topic is made again under two files',
    { files: 2, workers: 1, isBrisk: true, budget: { deletions: 1 } },
  ],
  ['a topic is marked, made classic and marked', { files: 1, workers: 1, budget: { marks: 3 } }],
];

/** What a bug needs in order to be found. */
const BUG_SCENARIOS: Readonly<Record<Bug, Scenario>> = {
  'sample the high watermark': { files: 1, workers: 1, budget: {} },
  'sample any replica': { files: 1, workers: 1, budget: { elections: 1 } },
  'count after the sample': { files: 1, workers: 1, budget: {} },
  'believe a deposed leader': { files: 1, workers: 1, budget: { elections: 1 } },
  'believe a majority': { files: 1, workers: 1, budget: { elections: 1 } },
  'go by the name alone': { files: 1, workers: 1, budget: { deletions: 1 } },
  'commit over another worker': { files: 2, workers: 2, isBrisk: true, budget: {} },
  'read on without looking back': unclean(),
  'cut more than was lost': unclean(),
  'as of, but for one file': { files: 1, workers: 1, budget: {} },
  'as of, and one more': { files: 1, workers: 1, budget: {} },
  'do not wait for what is not settled': { files: 1, workers: 1, budget: {} },
  'forget a partition that was never merged': { files: 1, workers: 1, budget: {} },
  'count the same numbers again': {
    files: 2,
    workers: 1,
    isBrisk: true,
    budget: { redisFaults: 1 },
  },
  'compare the numbers of any two ranges': { files: 1, workers: 1, budget: { redisForks: 1 } },
  'one broker denies a topic': { files: 1, workers: 1, budget: { deletions: 1 } },
  'begin anew when a topic is marked again': { files: 1, workers: 1, budget: { marks: 3 } },
};

const ASSUMPTIONS: Readonly<Record<Assumption, Scenario>> = {
  'no append after unsettled.ms': { files: 1, workers: 1, budget: {} },
  'what was lost stays lost': {
    files: 1,
    workers: 1,
    budget: { elections: 2, uncleanElections: 1 },
  },
};

for (const [name, scenario] of SCENARIOS) {
  test(`no byte is lost and every file goes in the end: ${name}`, { timeout: TIMEOUT_MS }, () => {
    const { states, finding } = explore(scenario);
    process.stdout.write(`${name}: ${states} states\n`);
    expect(finding).toBeUndefined();
  });
}

for (const bug of BUGS) {
  test(`a planted bug is found: ${bug}`, { timeout: TIMEOUT_MS }, () => {
    const { finding } = explore({ ...BUG_SCENARIOS[bug], bug });
    // The only bug that is too careful.
    expect(finding?.kind).toBe(bug === 'as of, and one more' ? 'stuck' : 'lost');
  });
}

for (const [lifted, scenario] of Object.entries(ASSUMPTIONS)) {
  test(`the rule rests on it: ${lifted}`, { timeout: TIMEOUT_MS }, () => {
    // The keys of the record are the assumptions.
    const { finding } = explore({ ...scenario, lifted: lifted as Assumption });
    expect(finding?.kind).toBe('lost');
  });
}

function unclean(): Scenario {
  return {
    files: 2,
    workers: 1,
    isBrisk: true,
    budget: { elections: 1, uncleanElections: 1 },
  };
}
