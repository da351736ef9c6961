/**
 * `node test/bench/many-partitions/main.ts [--topics N] [--partitions N] [--extents N] [--busy N]
 * [--idle SECONDS]`: what a worker costs on a large cluster of which little is new; as
 * `npm run bench -- --only many-partitions`, without a Kafka.
 */
import { parseArgs } from 'node:util';
import { LARGE_CLUSTER } from './cluster-shape.ts';
import { measureManyPartitions } from './measure.ts';
import { manyPartitionsSection } from './page.ts';

const { values } = parseArgs({
  options: {
    topics: { type: 'string', default: String(LARGE_CLUSTER.topics) },
    partitions: { type: 'string', default: String(LARGE_CLUSTER.partitionsPerTopic) },
    extents: { type: 'string', default: String(LARGE_CLUSTER.extents) },
    busy: { type: 'string', default: String(LARGE_CLUSTER.busy) },
    idle: { type: 'string', default: '90' },
  },
});
const shape = {
  ...LARGE_CLUSTER,
  topics: Number(values.topics),
  partitionsPerTopic: Number(values.partitions),
  extents: Number(values.extents),
  busy: Number(values.busy),
};
console.log(manyPartitionsSection(await measureManyPartitions(shape, Number(values.idle))));
