/**
 * Segments as files under a broker's names, and Kafka's own classes as the judge of them.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import type { FinishedSegment } from '../../storage/index.ts';

/** The package of Kafka's segment classes is another one in other releases. */
export const RELEASE = '4.3.1';
const ORACLE = new URL('../oracle/KafkaSegments.java', import.meta.url).pathname;

/** @param requests as `KafkaSegments.java` takes them */
export async function askKafka(requests: readonly string[]): Promise<string[]> {
  const libs = await kafkaLibs(RELEASE);
  const stdin = `${requests.join('\n')}\n`;
  const { code, stdout, stderr } = await javaProgram(libs, ORACLE, [], { stdin });
  const answers = stdout.trimEnd().split('\n');
  if (code === 0 && answers.length === requests.length) return answers;
  throw new Error(`the oracle failed: ${stderr}`);
}

/** @returns the name that a broker gives to a file of a segment */
export function fileName(offset: bigint, suffix: string): string {
  return `${offset.toString().padStart(20, '0')}.${suffix}`;
}

/** @returns the files of a segment by name; the leader epochs under the name that we give them */
export function segmentFiles(segment: FinishedSegment, log: Buffer): Map<string, Buffer> {
  const { baseOffset, endOffset, files } = segment;
  const named = new Map([
    [fileName(baseOffset, 'log'), log],
    [fileName(baseOffset, 'index'), files.offsetIndex],
    [fileName(baseOffset, 'timeindex'), files.timeIndex],
    [fileName(baseOffset, 'leader-epoch-checkpoint'), files.leaderEpochs],
    [fileName(endOffset + 1n, 'snapshot'), files.producerSnapshot],
  ]);
  if (files.transactionIndex !== null) {
    named.set(fileName(baseOffset, 'txnindex'), files.transactionIndex);
  }
  return named;
}

export async function writeFiles(dir: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(dir, name), bytes);
}

/** @returns the files of a folder by name, in hex so that differences can be read */
export async function readFiles(dir: string, wanted: RegExp): Promise<Record<string, string>> {
  const names = (await readdir(dir)).filter((name) => wanted.test(name)).sort();
  const files = await Promise.all(names.map(async (name) => readFile(join(dir, name), 'hex')));
  return Object.fromEntries(names.map((name, index) => [name, files[index] ?? '']));
}
