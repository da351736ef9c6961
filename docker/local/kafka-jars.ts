/**
 * Kafka as its release on Maven Central: the broker and the command line tools are jars, run by the
 * system's Java. Nothing of Kafka is modified.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, installOnce } from './cache.ts';
import { downloadArtifact, maven } from './maven.ts';
import type { JavaApp } from './java.ts';
import { commandPath, runOrThrow } from './process.ts';
import { step } from './progress.ts';
import { ensureCommands } from './system-packages.ts';

// Named with its version, or Maven asks which is the newest and the answer changes over time.
const COPY_DEPENDENCIES =
  'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';

const JAVA_RELEASE_MIN = 17;

/** The release that quickstart, tests and benchmarks use unless they say otherwise. */
export const KAFKA_VERSION = '4.3.1';

export interface KafkaLibs extends JavaApp {
  readonly version: string;
  /** The folder with the jars. */
  readonly dir: string;
}

/**
 * Makes sure that Java and the jars of a release are here.
 * @param version a release of Kafka, 3.7 or later
 */
export async function kafkaLibs(version: string = KAFKA_VERSION): Promise<KafkaLibs> {
  const home = join(cacheDir(), `kafka-${version}`);
  const dir = join(home, 'libs');
  const isInstalled = existsSync(dir);
  await ensureCommands('java', ...(isInstalled ? [] : (['mvn'] as const)));
  if (!isInstalled) {
    await checkJava();
    await step(`Kafka ${version}: downloading its jars from Maven Central`, async (report) =>
      installOnce(dir, async (unfinished) => downloadKafka(version, unfinished, report)),
    );
  }
  const jars = readdirSync(dir).filter((name) => name.endsWith('.jar'));
  const classPath = jars
    .sort()
    .map((jar) => join(dir, jar))
    .join(':');
  return { version, home, dir, classPath };
}

/** @throws when the Java in the PATH is too old for brokers from 4.0 on */
async function checkJava(): Promise<void> {
  const { stderr } = await runOrThrow('java', ['-version']);
  const release = /version "(\d+)/.exec(stderr)?.[1];
  if (Number(release) >= JAVA_RELEASE_MIN) return;
  throw new Error(
    `Java ${JAVA_RELEASE_MIN} or later is needed, the PATH has ${release}: ${commandPath('java')}`,
  );
}

async function downloadKafka(
  version: string,
  dir: string,
  report: (state: string) => void,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const pom = join(dir, 'pom.xml');
  await writeFile(pom, pomOf(version));
  await maven(
    ['-f', pom, COPY_DEPENDENCIES, '-DincludeScope=runtime', `-DoutputDirectory=${dir}`],
    report,
  );
  // From 4.0 on no jar's metadata names the binding from slf4j to log4j2, and without it a broker
  // logs nothing at all.
  const log4j = readdirSync(dir).map((name) => /^log4j-core-(.+)\.jar$/.exec(name)?.[1]);
  const log4jVersion = log4j.find((found) => found !== undefined);
  if (log4jVersion !== undefined) {
    await downloadArtifact(`org.apache.logging.log4j:log4j-slf4j-impl:${log4jVersion}`, dir);
  }
}

function pomOf(version: string): string {
  const dependency = (artifact: string): string =>
    `<dependency><groupId>org.apache.kafka</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version></dependency>`;
  return (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>' +
    '<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>' +
    '<packaging>pom</packaging>' +
    `<dependencies>${dependency('kafka_2.13')}${dependency('kafka-tools')}</dependencies></project>`
  );
}
