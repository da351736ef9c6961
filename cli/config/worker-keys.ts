/**
 * The configuration keys of workers: a section of `config-keys.ts`. Every interval, threshold and
 * rate of a job is a key; what belongs to a topic has Kafka's own name in the topic's configuration.
 */
import { boolean, integer } from './config-def.ts';

const MEBIBYTE = 1024 * 1024;
const DAY_MS = 86_400_000;
const bytes = (count: number): string => String(count);

export const WORKER_KEYS = {
  'worker.embedded': boolean({
    doc: '`outrigger start` runs a worker in its own process too: for small set-ups. Needs Redis.',
    default: 'false',
  }),
  'worker.groups': integer({
    doc: 'Partition groups that the work is shared out by, and so the workers at most that have any. Counts at the first start of a worker on an empty bucket; from then on the bucket says.',
    default: '4',
    min: 1,
    max: 1024,
  }),
  'worker.http.port': integer({
    doc: "Port of the worker's /livez, /readyz and /metrics; 0 for none.",
    default: '0',
    min: 0,
    max: 65_535,
  }),
  'worker.memory.bytes.max': integer({
    doc: 'Memory for the batches that the jobs of a worker hold.',
    default: bytes(512 * MEBIBYTE),
    min: 64 * MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'worker.bandwidth.bytes.per.second': integer({
    doc: 'What the jobs of a worker may move to and from the object store in a second; 0 for no limit.',
    default: '0',
    min: 0,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'worker.drain.timeout.ms': integer({
    doc: 'How long jobs under way may take to come to an end after SIGTERM.',
    default: '20000',
    min: 0,
    max: 600_000,
  }),
  'merge.interval.ms': integer({
    doc: 'How often what proxies have written is gathered into merged files.',
    default: '30000',
    min: 100,
    max: DAY_MS,
  }),
  'merge.file.bytes': integer({
    doc: 'Bytes of a merged file at most; a larger one costs fewer requests and more memory.',
    default: bytes(64 * MEBIBYTE),
    min: MEBIBYTE,
    max: 512 * MEBIBYTE,
  }),
  'consolidate.interval.ms': integer({
    doc: "How often it is looked for partitions with enough merged data for a segment. See the topic's segment.bytes and segment.ms.",
    default: '60000',
    min: 100,
    max: DAY_MS,
  }),
  'consolidate.segment.bytes.max': integer({
    doc: "Bytes of a segment at most, where the topic's segment.bytes is larger. A segment is held in memory while it is made; a larger one costs fewer requests.",
    default: bytes(128 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * MEBIBYTE,
  }),
  'trim.interval.ms': integer({
    doc: 'How often brokers are asked to delete what segments hold.',
    default: '60000',
    min: 100,
    max: DAY_MS,
  }),
  'trim.keep.ms': integer({
    doc: 'What is younger stays in the brokers, consolidated or not: a replica that is created later knows producers only from what is left.',
    default: String(DAY_MS),
    min: 0,
    max: 365 * DAY_MS,
  }),
  'retain.interval.ms': integer({
    doc: "How often the topics' retention.ms and retention.bytes are applied, and users' DeleteRecords.",
    default: '45000',
    min: 100,
    max: DAY_MS,
  }),
  'retain.live.percent.min': integer({
    doc: 'Of a merged file of which less than this is needed what is needed is copied at once, so that the file can be deleted.',
    default: '30',
    min: 0,
    max: 100,
  }),
  'retain.rewrite.ms': integer({
    doc: 'How old a merged file becomes at most that has bytes which nobody needs any more: what is needed is copied then.',
    default: String(DAY_MS),
    min: 60_000,
    max: 365 * DAY_MS,
  }),
  'compact.interval.ms': integer({
    doc: 'How often it is looked for segments of compacted topics that are worth compacting.',
    default: '60000',
    min: 100,
    max: DAY_MS,
  }),
  'compact.map.bytes': integer({
    doc: "What the map of a compacted partition's keys may take: 27 bytes a key. With more keys a partition takes several passes.",
    default: bytes(32 * MEBIBYTE),
    min: MEBIBYTE,
    max: 4096 * MEBIBYTE,
  }),
  'sweep.interval.ms': integer({
    doc: 'How often objects that nothing needs any more are deleted.',
    default: '60000',
    min: 100,
    max: DAY_MS,
  }),
  'sweep.margin.ms': integer({
    doc: 'How long an object that nothing needs is kept all the same, for readers that have begun.',
    default: '3600000',
    min: 0,
    max: 365 * DAY_MS,
  }),
  'sweep.unsettled.ms': integer({
    doc: 'How long a WAL file is kept at least of which it is not known whether all its batches were answered for.',
    default: String(7 * DAY_MS),
    min: 60_000,
    max: 365 * DAY_MS,
  }),
  'journal.retention.ms': integer({
    doc: 'How long an entry of a journal is kept at least although snapshots have it.',
    default: String(DAY_MS),
    min: 60_000,
    max: 365 * DAY_MS,
  }),
  'sweep.vanished.percent.max': integer({
    doc: 'Of all topics may be missing at once; one may be at any rate. With more the sweep deletes nothing and says so: it may be a cluster that has forgotten them.',
    default: '5',
    min: 0,
    max: 100,
  }),
  'backfill.bytes.per.second': integer({
    doc: 'What a worker may read from the brokers in a second to move what a topic had before it was diskless; 0 for no limit.',
    default: bytes(16 * MEBIBYTE),
    min: 0,
    max: 1024 * 1024 * MEBIBYTE,
  }),
};
