/**
 * Reads the scripts in `coordinator/lua/` and the helpers that they include. A script is sent to
 * Redis as one text, so a line `-- @include lib/name.lua` is replaced by that file, once.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface LuaScript {
  readonly source: string;
  /** What `EVALSHA` names it by. */
  readonly sha1: string;
}

const LUA_FOLDER = new URL('../lua/', import.meta.url);
const INCLUDE = /^-- @include (lib\/[a-z-]+\.lua)$/gm;

/** @param name the file without its ending, for instance `settle-file` */
export function loadLuaScript(name: string): LuaScript {
  const text = readFileSync(new URL(`${name}.lua`, LUA_FOLDER), 'utf8');
  const source = text.replace(INCLUDE, (_, path: string) =>
    readFileSync(new URL(path, LUA_FOLDER), 'utf8').trimEnd(),
  );
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}
