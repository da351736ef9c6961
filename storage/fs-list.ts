/**
 * Lists a folder as an object store would: keys in byte order, whole subtrees skipped that cannot
 * hold what is asked for. Names that no key can have (the temporary folder) are not seen.
 */
import { join } from 'node:path';
import { errno } from './fs-errors.ts';
import type { FileSystem } from './file-system.ts';
import { isKeySegment } from './object-key.ts';
import type { ListedObject } from './object-store.ts';

type ListFiles = Pick<FileSystem, 'readdir' | 'stat'>;

/**
 * @param root the folder that keys are relative to
 * @param startAfter only keys after this one
 */
export async function* listFolder(
  files: ListFiles,
  root: string,
  prefix: string,
  startAfter = '',
): AsyncIterable<ListedObject> {
  const walk = async function* (parent: string): AsyncIterable<ListedObject> {
    for (const name of await sortedNames(files, join(root, parent))) {
      const key = parent + name;
      if (key.endsWith('/')) {
        const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
        if (mayMatch && (key > startAfter || startAfter.startsWith(key))) yield* walk(key);
      } else if (key.startsWith(prefix) && key > startAfter) {
        const listed = await describe(files, root, key);
        if (listed !== undefined) yield listed;
      }
    }
  };
  yield* walk('');
}

/** Folders get a slash first: `a-b` sorts before `a/c`, as it does in a bucket. */
async function sortedNames(files: ListFiles, folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for (const entry of await files.readdir(folder, { withFileTypes: true })) {
      if (!isKeySegment(entry.name)) continue;
      if (entry.isDirectory()) names.push(`${entry.name}/`);
      if (entry.isFile()) names.push(entry.name);
    }
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error;
  }
  return names.sort();
}

/** @returns undefined if it was deleted since its folder was read */
async function describe(
  files: ListFiles,
  root: string,
  key: string,
): Promise<ListedObject | undefined> {
  try {
    const { size, mtimeMs } = await files.stat(join(root, key));
    return { key, byteCount: size, modifiedMs: mtimeMs };
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined;
    throw error;
  }
}
