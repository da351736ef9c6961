#!/usr/bin/env node
/** The `outrigger` command. */
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { OutriggerError } from '../kafka/index.ts';
import { start } from './start.ts';
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

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof OutriggerError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
