/**
 * Kafka's own command line tools, by the names of their scripts, and Java programs of the tests,
 * run with the jars of a release. The first run of a tool writes its class data archive.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cacheDir, installOnce } from './cache.ts';
import { javaRun } from './java.ts';
import type { KafkaLibs } from './kafka-jars.ts';
import { type CommandOptions, type CommandResult, runCommand, runOrThrow } from './process.ts';
import { ensureCommands } from './system-packages.ts';

/** The class behind each script; its package has changed over the releases. */
const CLASSES = {
  'kafka-acls': 'AclCommand',
  'kafka-broker-api-versions': 'BrokerApiVersionsCommand',
  'kafka-client-metrics': 'ClientMetricsCommand',
  'kafka-cluster': 'ClusterTool',
  'kafka-configs': 'ConfigCommand',
  'kafka-console-consumer': 'ConsoleConsumer',
  'kafka-console-producer': 'ConsoleProducer',
  'kafka-console-share-consumer': 'ConsoleShareConsumer',
  'kafka-consumer-groups': 'ConsumerGroupCommand',
  'kafka-consumer-perf-test': 'ConsumerPerformance',
  'kafka-delegation-tokens': 'DelegationTokenCommand',
  'kafka-delete-records': 'DeleteRecordsCommand',
  'kafka-dump-log': 'DumpLogSegments',
  'kafka-features': 'FeatureCommand',
  'kafka-get-offsets': 'GetOffsetShell',
  'kafka-groups': 'GroupsCommand',
  'kafka-leader-election': 'LeaderElectionCommand',
  'kafka-log-dirs': 'LogDirsCommand',
  'kafka-metadata-quorum': 'MetadataQuorumCommand',
  'kafka-producer-perf-test': 'ProducerPerformance',
  'kafka-reassign-partitions': 'ReassignPartitionsCommand',
  'kafka-replica-verification': 'ReplicaVerificationTool',
  'kafka-share-consumer-perf-test': 'ShareConsumerPerformance',
  'kafka-share-groups': 'ShareGroupCommand',
  'kafka-storage': 'StorageTool',
  'kafka-streams-groups': 'StreamsGroupCommand',
  'kafka-topics': 'TopicCommand',
  'kafka-transactions': 'TransactionsCommand',
  'kafka-verifiable-consumer': 'VerifiableConsumer',
  'kafka-verifiable-producer': 'VerifiableProducer',
  'kafka-verifiable-share-consumer': 'VerifiableShareConsumer',
} as const;

export type KafkaTool = keyof typeof CLASSES;

const JARS_WITH_TOOLS = /^(kafka_2\.13|kafka-tools)-[\d.]+\.jar$/;
const HEAP_MIB = 256;

/**
 * Runs one of Kafka's tools to its end.
 * @param args the tool's own, `--bootstrap-server` included
 * @returns its exit code and what it printed
 * @throws when the release has no such tool
 */
export async function kafkaTool(
  libs: KafkaLibs,
  tool: KafkaTool,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const mainClass = await toolClass(libs, tool);
  const run = await javaRun(libs, mainClass, args, { heapMiB: HEAP_MIB });
  const result = await runCommand('java', run.args, options);
  await run.ended(result.code !== null);
  return result;
}

/**
 * @returns the full name of the class behind a tool's script
 * @throws when the release has no such tool
 */
export async function toolClass(libs: KafkaLibs, tool: KafkaTool): Promise<string> {
  const mainClass = (await toolClasses(libs)).get(CLASSES[tool]);
  if (mainClass === undefined) throw new Error(`Kafka ${libs.version} has no ${tool}`);
  return mainClass;
}

/**
 * Compiles a Java program that is one source file, unless that was done before, and runs it.
 * @param sourceFile named after its main class, which is in no package
 */
export async function javaProgram(
  libs: KafkaLibs,
  sourceFile: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const mainClass = basename(sourceFile, '.java');
  const source = await readFile(sourceFile);
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 16);
  const home = join(cacheDir(), 'java', `${mainClass}-${libs.version}-${hash}`);
  const jar = await installOnce(join(home, `${mainClass}.jar`), async (unfinished) => {
    await ensureCommands('javac');
    // An archive of class data covers jars, not folders.
    const classes = `${unfinished}.classes`;
    await mkdir(classes);
    await runOrThrow('javac', ['-cp', libs.classPath, '-d', classes, sourceFile]);
    await runOrThrow('jar', ['--create', '--file', unfinished, '-C', classes, '.']);
    await rm(classes, { recursive: true });
  });
  const app = { home, classPath: `${libs.classPath}:${jar}` };
  const run = await javaRun(app, mainClass, args, { heapMiB: HEAP_MIB });
  const result = await runCommand('java', run.args, options);
  await run.ended(result.code !== null);
  return result;
}

/** @returns full names of the tools' classes by their last part */
async function toolClasses(libs: KafkaLibs): Promise<Map<string, string>> {
  const list = await installOnce(join(libs.home, 'tool-classes'), async (unfinished) => {
    await ensureCommands('javac'); // brings `jar` as well
    const jars = libs.classPath.split(':').filter((path) => JARS_WITH_TOOLS.test(basename(path)));
    const names: string[] = [];
    for (const jar of jars) {
      const { stdout } = await runOrThrow('jar', ['--list', '--file', jar]);
      names.push(...stdout.split('\n').filter((name) => /^[\w/]+\.class$/.test(name)));
    }
    // Where a release has a class twice, the one in `kafka.` is the deprecated one: sorted first,
    // so that the other one takes its place in the map.
    await writeFile(unfinished, names.sort().join('\n'));
  });
  const wanted = new Set<string>(Object.values(CLASSES));
  const found = new Map<string, string>();
  for (const line of (await readFile(list, 'utf8')).split('\n')) {
    const name = line.replace(/\.class$/, '').replaceAll('/', '.');
    const last = name.slice(name.lastIndexOf('.') + 1);
    if (wanted.has(last)) found.set(last, name);
  }
  return found;
}
