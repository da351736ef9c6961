/**
 * `node test/bench/many-partitions/main.ts [--topics N] [--partitions N] [--extents N] [--busy N]
 * [--idle SECONDS]`: what a worker costs on a large cluster of which little is new; as
 * `npm run bench -- --only many-partitions`, without a Kafka.
 */
import { parseArgs } from 'node:util';
import { measureManyPartitions } from './measure.ts';
import { manyPartitionsSection } from './page.ts';

const { values } = parseArgs({
  options: {
    topics: { type: 'string', default: '1000' },
    partitions: { type: 'string', default: '100' },
    extents: { type: 'string', default: '10' },
    busy: { type: 'string', default: '100' },
    idle: { type: 'string', default: '90' },
  },
});
const shape = {
  topics: Number(values.topics),
  partitionsPerTopic: Number(values.partitions),
  groups: 4,
  extents: Number(values.extents),
  busy: Number(values.busy),
};
console.log(manyPartitionsSection(await measureManyPartitions(shape, Number(values.idle))));
