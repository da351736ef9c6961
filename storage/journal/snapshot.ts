/**
 * Snapshots of a partition group's state, which spare a reader the entries before them. One may be
 * missing or damaged: an older one will do, or none while all entries are there. It owns their
 * bytes.
 *
 * One is a JSON document of tens of megabytes on a large cluster, and whoever reads or writes it
 * has other things to do meanwhile. So it is written and parsed line by line, each of which has
 * some items of one of its lists, with turns of others in between; and of several one after the
 * other, because each is in memory as a whole.
 */
import { z } from 'zod';
import { Turns } from '../../runtime/index.ts';
import { storageError } from '../errors.ts';
import { packText, parseAs, unpackText } from '../packed-json.ts';
import { deadSegmentSchema, fileSchema, partitionKey, partitionSchema } from './group-state.ts';
import type { GroupState } from './group-state.ts';

const SNAPSHOT_VERSION = 1;
/** What is claimed beyond it is not decompressed. */
const TEXT_BYTES_MAX = 1024 * 1024 * 1024;
/** A few milliseconds' worth of partitions. */
const ITEMS_PER_LINE = 100;
const NEWLINE = 0x0a;

const versionSchema = z.object({ version: z.int().min(1) });
/** The first line, without the items. */
const headSchema = versionSchema.extend({
  clusterId: z.string(),
  group: z.int().min(0),
  state: z.object({ number: z.int().min(0) }),
});

let last: Promise<unknown> = Promise.resolve();

/** Whose a snapshot is. */
export interface SnapshotOwner {
  readonly clusterId: string;
  readonly group: number;
}

/** @returns the object's bytes; the same state gives the same bytes */
export async function encodeSnapshot(owner: SnapshotOwner, state: GroupState): Promise<Buffer> {
  return await oneAtATime(async () => encode(owner, state));
}

async function encode(
  { clusterId, group }: SnapshotOwner,
  { number, partitions, files, deadSegments }: GroupState,
): Promise<Buffer> {
  const head = JSON.stringify({ version: SNAPSHOT_VERSION, clusterId, group, state: { number } });
  const lines = new Lines();
  lines.add(`${head.slice(0, -'}}'.length)},"partitions":[`);
  await lines.addItems(partitionSchema, partitions.values());
  lines.add('],"files":[');
  await lines.addItems(fileSchema, files.values());
  lines.add('],"deadSegments":[');
  await lines.addItems(deadSegmentSchema, deadSegments.values());
  lines.add(']}}');
  return await packText(lines.text());
}

/**
 * @param number of the last entry in it, by its key
 * @param fail throws the caller's error
 * @throws `STORAGE_FORMAT_UNKNOWN` for a version that is not known
 */
export async function decodeSnapshot(
  bytes: Buffer,
  owner: SnapshotOwner,
  number: number,
  fail: (reason: string) => never,
): Promise<GroupState> {
  return await oneAtATime(async () => decode(bytes, owner, number, fail));
}

async function decode(
  bytes: Buffer,
  owner: SnapshotOwner,
  number: number,
  fail: (reason: string) => never,
): Promise<GroupState> {
  const parser = new LineParser(await unpackText(bytes, TEXT_BYTES_MAX, fail), fail);
  const head = `${parser.line()}]}}`;
  const { version } = parseAs(versionSchema, head, fail);
  if (version !== SNAPSHOT_VERSION) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `A snapshot has format version ${version}; this version of Outrigger knows ` +
        `${SNAPSHOT_VERSION}. Upgrade this process.`,
      { details: { version } },
    );
  }
  const { clusterId, group, state } = parseAs(headSchema, head, fail);
  if (clusterId !== owner.clusterId) fail('it belongs to another Kafka cluster');
  if (group !== owner.group || state.number !== number) fail('it is not the one of its name');
  return {
    number,
    partitions: await parser.items(partitionSchema, partitionKey),
    files: await parser.items(fileSchema, ({ file }) => file),
    deadSegments: await parser.items(deadSegmentSchema, ({ segment }) => segment.id),
  };
}

async function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  const working = last.then(work);
  last = working.catch(() => undefined);
  return await working;
}

/** A document that is written line by line. */
class Lines {
  readonly #lines: Buffer[] = [];

  add(line: string): void {
    this.#lines.push(Buffer.from(`${line}\n`));
  }

  async addItems<Schema extends z.ZodType>(
    schema: Schema,
    items: Iterable<z.output<Schema>>,
  ): Promise<void> {
    const turns = new Turns();
    const list = z.array(schema);
    let line: z.output<Schema>[] = [];
    let isFirst = true;
    const addLine = (): void => {
      const text = JSON.stringify(z.encode(list, line)).slice(1, -1);
      this.add(isFirst ? text : `,${text}`);
      isFirst = false;
      line = [];
    };
    for (const item of items) {
      if (line.push(item) < ITEMS_PER_LINE) continue;
      addLine();
      if (turns.isOver) await turns.next();
    }
    if (line.length > 0) addLine();
  }

  text(): Buffer {
    return Buffer.concat(this.#lines);
  }
}

/** Reads what `Lines` wrote. */
class LineParser {
  readonly #text: Buffer;
  readonly #fail: (reason: string) => never;
  #position = 0;

  constructor(text: Buffer, fail: (reason: string) => never) {
    this.#text = text;
    this.#fail = fail;
  }

  line(): string {
    const end = this.#text.indexOf(NEWLINE, this.#position);
    if (end === -1) return this.#fail('a line has no end');
    const line = this.#text.toString('utf8', this.#position, end);
    this.#position = end + 1;
    return line;
  }

  /** @returns the items up to the end of their list, by key */
  async items<Schema extends z.ZodType, Key>(
    schema: Schema,
    keyOf: (item: z.output<Schema>) => Key,
  ): Promise<Map<Key, z.output<Schema>>> {
    const turns = new Turns();
    const list = z.array(schema);
    const items = new Map<Key, z.output<Schema>>();
    for (let line = this.line(); !line.startsWith(']'); line = this.line()) {
      const text = line.startsWith(',') ? line.slice(1) : line;
      for (const item of parseAs(list, `[${text}]`, this.#fail)) items.set(keyOf(item), item);
      if (turns.isOver) await turns.next();
    }
    return items;
  }
}
