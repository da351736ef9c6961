/** Reads the broker's log folder and the store's folder, and says what lies in which. */
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { TopicCounts } from './exchange.ts';

const FILES_SHOWN_MAX = 5;

/**
 * @param counts what was produced to each topic, each with one partition
 * @param logDir the broker's
 * @param storeDir the folder that stands for a bucket
 * @returns a text for people
 */
export async function whatLiesWhere(
  counts: readonly TopicCounts[],
  logDir: string,
  storeDir: string,
): Promise<string> {
  const rows = [['topic', 'kind', 'offsets', 'bytes produced', "in the broker's log"]];
  for (const { name, isDiskless, nextOffset, bytes } of counts) {
    const inLog = await sizes(join(logDir, `${name}-0`), '.log');
    const kind = isDiskless ? 'diskless' : 'classic';
    rows.push([name, kind, `0 to ${nextOffset - 1n}`, count(bytes), count(total(inLog))]);
  }
  const stored = await sizes(join(storeDir, 'wal'), '');
  const lines = stored
    .slice(0, FILES_SHOWN_MAX)
    .map(([path, bytes]) => `  ${relative(storeDir, path)}  ${count(bytes)} bytes`);
  if (stored.length > FILES_SHOWN_MAX) lines.push('  ...');
  return [
    '',
    ...aligned(rows),
    '',
    `${stored.length} WAL files in the store, ${count(total(stored))} bytes:`,
    ...lines,
    '',
  ].join('\n');
}

/** @returns the number with its thousands set apart */
export function count(number: number): string {
  return number.toLocaleString('en-US');
}

export type Sized = readonly [path: string, bytes: number];

/** @returns the files below a folder whose names end in a certain way, and their sizes */
export async function sizes(dir: string, ending: string): Promise<Sized[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(ending));
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Promise.all(paths.map(async (path) => [path, (await stat(path)).size] as const));
}

export function total(files: readonly Sized[]): number {
  return files.reduce((sum, [, bytes]) => sum + bytes, 0);
}

export function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(width(column) + 2)).join(''));
}
