/**
 * The folder in which everything downloaded is kept between runs, and the folders of single runs.
 * An installed folder is complete or absent: it is built elsewhere and renamed into its place, so
 * two processes that install the same thing at once do no harm to each other.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** @returns the folder of everything that is kept between runs; OUTRIGGER_CACHE moves it */
export function cacheDir(): string {
  return process.env['OUTRIGGER_CACHE'] ?? join(homedir(), '.cache', 'outrigger');
}

/**
 * Makes a file or folder of the cache unless it is there.
 * @param path path of the finished thing, in the cache
 * @param build makes it at the path it is given, which is in an existing folder
 * @returns path
 */
export async function installOnce(
  path: string,
  build: (unfinished: string) => Promise<void>,
): Promise<string> {
  if (existsSync(path)) return path;
  const dir = await runDir('install');
  const unfinished = join(dir, basename(path));
  try {
    await build(unfinished);
    await mkdir(dirname(path), { recursive: true });
    await rename(unfinished, path).catch((error: unknown) => {
      // A folder that another process finished first: theirs is as good as ours.
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(dir, { recursive: true });
  }
  return path;
}

/**
 * Makes an empty folder for the data of one run, and removes those of processes that have ended.
 * @param name what the folder is for, as in "kafka"
 * @returns its absolute path
 */
export async function runDir(name: string): Promise<string> {
  const runs = join(cacheDir(), 'run');
  await mkdir(runs, { recursive: true });
  for (const entry of await readdir(runs)) {
    const pid = Number(entry.split('-', 1)[0]);
    if (!isAlive(pid)) await rm(join(runs, entry), { recursive: true, force: true });
  }
  const path = join(runs, `${process.pid}-${name}-${randomBytes(4).toString('hex')}`);
  await mkdir(path);
  return path;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process exists and belongs to someone else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
