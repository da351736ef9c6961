/**
 * Every configuration key of Outrigger, in the order of `docs/config.md`. Names follow Kafka's
 * where Kafka has the thing, and DESIGN's words where it does not.
 */
import {
  addresses,
  boolean,
  decimal,
  integer,
  list,
  oneOf,
  orAuto,
  portRange,
  secret,
  text,
} from './config-def.ts';
import { WORKER_KEYS } from './worker-keys.ts';

const MEBIBYTE = 1024 * 1024;
const bytes = (count: number): string => String(count);

export const CONFIG_KEYS = {
  // The cluster that Outrigger stands in front of
  'kafka.bootstrap.servers': addresses({
    doc: "Brokers of the cluster, to begin with: the others are learnt from them. Use the brokers' own listeners, not Outrigger's.",
  }),
  'kafka.security.protocol': oneOf(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'], {
    doc: "How brokers are connected to. With a SASL protocol clients' own credentials are relayed on their connections; the keys kafka.sasl.* are those of Outrigger's own.",
    default: 'PLAINTEXT',
  }),
  'kafka.sasl.mechanism': oneOf(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
    doc: "Mechanism of Outrigger's own principal. It needs DESCRIBE and DESCRIBE_CONFIGS on the cluster and its topics, and READ on diskless topics.",
    default: 'PLAIN',
  }),
  'kafka.sasl.username': text({ doc: "Outrigger's own principal.", default: '' }),
  'kafka.sasl.password': secret({ doc: "The password of Outrigger's own principal.", default: '' }),
  'kafka.ssl.ca.location': text({
    doc: "PEM file with the authorities that sign the brokers' certificates; empty for the system's.",
    default: '',
  }),
  'kafka.ssl.certificate.location': text({
    doc: 'PEM file with a client certificate that is shown to brokers, on all connections alike.',
    default: '',
  }),
  'kafka.ssl.key.location': text({
    doc: 'PEM file with the key of kafka.ssl.certificate.location.',
    default: '',
  }),
  'kafka.ssl.verify.hostname': boolean({
    doc: "Whether a broker's certificate must name the host that was connected to.",
    default: 'true',
  }),
  'kafka.connect.timeout.ms': integer({
    doc: 'How long a connection to a broker may take, and how long the cluster may take to answer at start.',
    default: '30000',
    min: 100,
    max: 600_000,
  }),
  'kafka.metadata.refresh.ms': integer({
    doc: 'How often the brokers and topics of the cluster are looked at. New brokers and leaders are also learnt from what clients are answered.',
    default: '60000',
    min: 1_000,
    max: 3_600_000,
  }),

  // What clients connect to
  'listener.host': text({ doc: 'Address that the listeners are bound to.', default: '0.0.0.0' }),
  'listener.port': integer({
    doc: 'Port that clients have in their bootstrap.servers.',
    default: '19092',
    min: 1,
    max: 65_535,
  }),
  'node.ports': portRange({
    doc: 'Ports for the nodes that clients are sent to: two for each broker, one for its classic and one for its diskless partitions.',
    default: '19100-19299',
  }),
  'advertised.host': text({
    doc: 'Name or address under which clients and other members reach this member.',
    default: '127.0.0.1',
  }),
  'listener.ssl.certificate.location': text({
    doc: 'PEM file with the certificate shown to clients, its chain included. Set it and its key to have clients connect by TLS.',
    default: '',
  }),
  'listener.ssl.key.location': text({
    doc: 'PEM file with the key of listener.ssl.certificate.location.',
    default: '',
  }),
  'connections.max': integer({
    doc: 'Client connections at most; further ones are closed at once.',
    default: '10000',
    min: 1,
    max: 1_000_000,
  }),
  'drain.timeout.ms': integer({
    doc: 'How long requests under way may take to finish after SIGTERM.',
    default: '20000',
    min: 0,
    max: 600_000,
  }),

  // The member
  'member.id': integer({
    doc: 'Number of this member, different for each member in front of one cluster: node ids are made of it.',
    default: '0',
    min: 0,
    max: 2045,
  }),
  'member.rack': text({
    doc: "Rack (availability zone) of this member. Members of one rack serve that rack's clients.",
    default: '',
  }),
  'redis.url': text({
    doc: 'redis:// or rediss:// URL of the Redis that members and workers share; empty if it is found by the keys below, or for a single member without workers.',
    default: '',
  }),
  'redis.sentinels': addresses({
    doc: 'Sentinels to ask for the Redis of redis.sentinel.master, instead of redis.url.',
    default: '',
  }),
  'redis.sentinel.master': text({
    doc: 'Name under which the sentinels watch the Redis.',
    default: '',
  }),
  'redis.cluster.nodes': addresses({
    doc: 'Some nodes of a Redis Cluster, instead of redis.url.',
    default: '',
  }),
  'redis.password': secret({ doc: 'Password for Redis, if it is not in the URL.', default: '' }),

  // Object storage
  'store.url': text({
    doc: 'Where the bytes of diskless topics are kept: s3://BUCKET/PREFIX, or file:///FOLDER for a single host.',
  }),
  'store.s3.endpoint': text({
    doc: "Endpoint of an S3-compatible store; empty for AWS's own of the region.",
    default: '',
  }),
  'store.s3.region': text({ doc: 'Region of the bucket.', default: 'us-east-1' }),
  'store.s3.path.style': boolean({
    doc: 'Whether the bucket is named in the path instead of the host name. Most stores other than AWS want it.',
    default: 'false',
  }),
  'store.s3.access.key.id': text({
    doc: 'Access key; empty to find credentials as the AWS SDK does (environment, profile, instance role).',
    default: '',
  }),
  'store.s3.secret.access.key': secret({ doc: 'Secret of store.s3.access.key.id.', default: '' }),
  'store.request.timeout.ms': integer({
    doc: 'How long one request to the object store may take before it is tried again.',
    default: '10000',
    min: 100,
    max: 600_000,
  }),
  'store.retries': integer({
    doc: 'How often a failed request to the object store is repeated before it counts as failed.',
    default: '2',
    min: 0,
    max: 20,
  }),
  'store.failure.policy': oneOf(['error', 'passthrough'], {
    doc: 'What happens to produced batches while the object store takes none: a retriable error, or passed to the broker as they are.',
    default: 'error',
  }),

  // Topics
  'diskless.topics': list({
    doc: 'Patterns of topic names. A new topic whose name matches is diskless unless it is created with diskless.enable=false. See docs/topics.md.',
    default: '',
  }),

  // Writing
  'wal.linger.ms': integer({
    doc: 'How long the first batch of a WAL file may wait for others.',
    default: '250',
    min: 0,
    max: 60_000,
  }),
  'wal.max.bytes': integer({
    doc: 'A WAL file is uploaded when it has this many bytes.',
    default: bytes(8 * MEBIBYTE),
    min: 64 * 1024,
    max: 64 * MEBIBYTE,
  }),
  'wal.min.bytes': orAuto(
    integer({
      doc: 'Break-even: below this many bytes a linger, batches go to the broker as they are, because a PUT would cost more than replicating them. 0 uploads everything. auto: 131072 on S3, and 0 on a folder, where a PUT costs nothing.',
      min: 0,
      max: 64 * MEBIBYTE,
    }),
  ),
  'wal.puts.per.second': orAuto(
    decimal({
      doc: 'PUTs a second that may be spent on uploading before the linger is over, while no upload is under way. auto: 4 on S3, and 100 on a folder.',
      min: 0,
      max: 1_000,
    }),
  ),
  'wal.uploads.max': integer({
    doc: 'WAL files that are uploaded at the same time.',
    default: '8',
    min: 1,
    max: 256,
  }),
  'wal.buffer.bytes.max': integer({
    doc: 'Bytes that may wait for an upload; beyond it producers are not read.',
    default: bytes(64 * MEBIBYTE),
    min: MEBIBYTE,
    max: 4096 * MEBIBYTE,
  }),
  'produce.timeout.ms': integer({
    doc: 'How long produced batches may wait to be stored before store.failure.policy decides about them.',
    default: '25000',
    min: 1_000,
    max: 600_000,
  }),
  'commit.deadline.ms': integer({
    doc: 'How long after the creation of a WAL file its batches may still be committed in Kafka.',
    default: '60000',
    min: 1_000,
    max: 600_000,
  }),

  // Reading and memory
  'cache.bytes.max': integer({
    doc: 'Memory for recently written WAL files, from which consumers at the end of the log are served.',
    default: bytes(256 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'cache.lagging.bytes.max': integer({
    doc: 'Memory for merged files, segments and older WAL files, read by consumers that lag. As much again may be on its way from the store, and as much again in answers that are being made.',
    default: bytes(128 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'fetch.response.bytes.max': integer({
    doc: 'Bytes of records in one fetch answer, whatever the client asks.',
    default: bytes(16 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * MEBIBYTE,
  }),
  'frame.bytes.max': integer({
    doc: 'The largest request or answer that is accepted, as socket.request.max.bytes of the brokers.',
    default: bytes(100 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * MEBIBYTE,
  }),
  'memory.requests.bytes.max': integer({
    doc: 'Memory for requests under way; beyond it clients are not read.',
    default: bytes(128 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'memory.responses.bytes.max': integer({
    doc: "Memory for brokers' answers that clients have not taken yet; beyond it brokers are not read.",
    default: bytes(128 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),
  'memory.fills.bytes.max': integer({
    doc: 'Memory for batches of diskless topics on their way to consumers.',
    default: bytes(128 * MEBIBYTE),
    min: MEBIBYTE,
    max: 1024 * 1024 * MEBIBYTE,
  }),

  ...WORKER_KEYS,

  // Operation
  'http.port': integer({
    doc: 'Port of /livez, /readyz and /metrics; 0 for none.',
    default: '0',
    min: 0,
    max: 65_535,
  }),
  'log.level': oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    doc: 'The least severe entries that are logged. Payloads and secrets are logged at no level.',
    default: 'info',
  }),
  'log.format': oneOf(['json', 'pretty'], {
    doc: 'One JSON object a line, or text for people.',
    default: 'json',
  }),
};
