/** kcat, the command line client of librdkafka. */
import { ensureCommands } from '../../../docker/local/system-packages.ts';
import { runOrThrow } from '../../../docker/local/process.ts';

const TIMEOUT_MS = 60_000;

/**
 * @param properties of librdkafka
 * @returns what it printed
 * @throws when it fails, or does not end in a minute
 */
export async function kcat(
  args: readonly string[],
  {
    stdin = '',
    properties = {},
  }: {
    readonly stdin?: string;
    readonly properties?: Readonly<Record<string, string>>;
  } = {},
): Promise<string> {
  await ensureCommands('kcat');
  const set = Object.entries(properties).flatMap(([key, value]) => ['-X', `${key}=${value}`]);
  const result = await runOrThrow('kcat', [...args, ...set], { stdin, timeoutMs: TIMEOUT_MS });
  return result.stdout;
}

/** Produces one record per value. */
export async function kcatProduce(
  bootstrap: string,
  topic: string,
  values: readonly string[],
  properties: Readonly<Record<string, string>> = {},
): Promise<void> {
  const stdin = values.map((value) => `${value}\n`).join('');
  await kcat(['-P', '-b', bootstrap, '-t', topic], { stdin, properties });
}

/** @returns the values of all records, partition by partition */
export async function kcatConsume(
  bootstrap: string,
  topic: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const args = ['-C', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-e', '-q'];
  return (await kcat(args, { properties })).split('\n').slice(0, -1);
}
