/**
 * Starts a real S3 server on 127.0.0.1: S3Proxy on a folder. It honours If-None-Match and checks
 * CRC32C, which is what Outrigger asks of a store; its If-Match is not atomic.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, installOnce, runDir } from './cache.ts';
import { type JavaApp, javaRun } from './java.ts';
import { downloadArtifact } from './maven.ts';
import { freePort } from './ports.ts';
import { startServer, waitUntilReady } from './process.ts';
import { step } from './progress.ts';
import { ensureCommands } from './system-packages.ts';

const VERSION = '4.1.0';
const HOST = '127.0.0.1';
const BUCKET = 'outrigger';
/** Without a limit it was seen to grow to 1.1 GB. */
const HEAP_MIB = 256;

export interface S3 {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Exists already. */
  readonly bucket: string;
  /** Where the objects of the bucket are files. */
  readonly bucketDir: string;
  /** Ends the server; the objects are removed. */
  stop(): Promise<void>;
}

/** Starts the server with one empty bucket and waits until it answers. */
export async function startS3(options: { readonly port?: number } = {}): Promise<S3> {
  const app = await s3Proxy();
  const port = options.port ?? (await freePort());
  const dir = await runDir('s3');
  const bucketDir = join(dir, 'data', BUCKET);
  await mkdir(bucketDir, { recursive: true });
  const endpoint = `http://${HOST}:${port}`;
  const credentials = { accessKeyId: 'outrigger', secretAccessKey: 'outrigger-secret' };
  const settings = {
    's3proxy.endpoint': endpoint,
    's3proxy.authorization': 'aws-v2-or-v4',
    's3proxy.identity': credentials.accessKeyId,
    's3proxy.credential': credentials.secretAccessKey,
    'jclouds.provider': 'filesystem-nio2',
    'jclouds.filesystem.basedir': join(dir, 'data'),
  };
  const properties = join(dir, 's3proxy.conf');
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  await writeFile(properties, lines.join(''));
  const run = await javaRun(app, 'org.gaul.s3proxy.Main', ['--properties', properties], {
    heapMiB: HEAP_MIB,
  });
  const server = startServer('java', run.args, { logFile: join(dir, 'server.log') });
  const stop = async (): Promise<void> => {
    await run.ended(await server.stop());
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await waitUntilReady(server, 'S3Proxy', async () => answers(endpoint));
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, ...credentials, bucket: BUCKET, bucketDir, stop };
}

async function s3Proxy(): Promise<JavaApp> {
  await ensureCommands('java');
  const home = join(cacheDir(), `s3proxy-${VERSION}`);
  const libs = await installOnce(join(home, 'libs'), async (unfinished) =>
    step(`S3Proxy ${VERSION}: downloading from Maven Central`, async (report) =>
      downloadArtifact(`org.gaul:s3proxy:${VERSION}:jar:jar-with-dependencies`, unfinished, report),
    ),
  );
  const jars = await readdir(libs);
  return { home, classPath: jars.map((jar) => join(libs, jar)).join(':') };
}

/** Any answer over HTTP will do: without credentials it is a refusal. */
async function answers(endpoint: string): Promise<boolean> {
  try {
    await fetch(endpoint);
    return true;
  } catch {
    // Not listening yet: the caller asks again and has the log when it gives up.
    return false;
  }
}
