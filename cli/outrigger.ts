#!/usr/bin/env node
/** The `outrigger` command. */
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { OutriggerError } from '../kafka/index.ts';
import { type BackfillArguments, backfill } from './backfill.ts';
import { rebuild, type RebuildArguments } from './rebuild.ts';
import { repair, type RepairArguments } from './repair.ts';
import { start } from './start.ts';
import { verify, type VerifyArguments } from './verify.ts';
import { worker } from './worker.ts';

// V8 would collect the whole heap for each 64 MiB of buffers that come and go, which here is many
// times a second: half of the CPU time of a produce, measured. So buffers count as the heap does,
// and both together may grow by half before they are collected: left to itself V8 collects after a
// tenth at one time, and lets them grow fourfold at another.
setFlagsFromString('--external-memory-accounted-in-global-limit');
setFlagsFromString('--heap-growing-percent=50');

const program = new Command('outrigger')
  .description('Diskless topics for the Kafka cluster that you already run')
  .showHelpAfterError();

const CONFIG_OPTION = [
  '-c, --config <file>',
  'a .properties file; keys can be overridden by OUTRIGGER_* variables',
] as const;

program
  .command('start')
  .description('run a proxy in front of the cluster')
  .option(...CONFIG_OPTION)
  .action(async ({ config }: { config?: string }) => start(config));

program
  .command('worker')
  .description('run a worker on what proxies have written')
  .option(...CONFIG_OPTION)
  .action(async ({ config }: { config?: string }) => worker(config));

program
  .command('rebuild')
  .description('fill Redis from the journals in the bucket')
  .option(...CONFIG_OPTION)
  .option('--dry-run', 'say what would be written')
  .option('--force', 'also write what is up to date by its number')
  .action(async (options: RebuildArguments) => rebuild(options));

program
  .command('verify')
  .description('report where journals, bucket, Redis and brokers contradict each other')
  .option(...CONFIG_OPTION)
  .option('--offline', 'look at the bucket alone')
  .option('--deep', 'read every byte of merged files and segments')
  .option('--all', "read the brokers' logs of all partitions to their ends")
  .option('--json', 'print one JSON object a line')
  .action(async (options: VerifyArguments) => verify(options));

program
  .command('repair')
  .description('give up what a partition has lost for good, so that the rest goes on')
  .option(...CONFIG_OPTION)
  .requiredOption('--topic <name>', 'whose')
  .requiredOption('--partition <number>', 'which of its partitions')
  .option('--deep', 'read every byte to find what is damaged')
  .option('--accept-loss', 'do it, instead of saying what would be given up')
  .action(async (options: RepairArguments) => repair(options));

program
  .command('backfill')
  .description('move the data that a topic had before it was diskless to the bucket')
  .option(...CONFIG_OPTION)
  .requiredOption('--topic <name>', 'whose')
  .option('--status', 'only show how far it is')
  .option('--cancel', 'interrupt it')
  .action(async (options: BackfillArguments) => backfill(options));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof OutriggerError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
