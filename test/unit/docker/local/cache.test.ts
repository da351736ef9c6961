import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { installOnce, runDir } from '../../../../docker/local/cache.ts';

async function emptyFolder(): Promise<string> {
  const dir = await runDir('test');
  onTestFinished(async () => rm(dir, { recursive: true }));
  return dir;
}

test('of two installations at once the first to finish stays, whole', async () => {
  const dir = await emptyFolder();
  const target = join(dir, 'kafka');
  const install = async (content: string, meanwhile: () => Promise<unknown>): Promise<string> =>
    installOnce(target, async (unfinished) => {
      await mkdir(unfinished);
      await meanwhile();
      await writeFile(join(unfinished, 'file'), content);
    });
  await install('slower', async () => install('faster', async () => undefined));
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('faster');
  expect(await readdir(dir)).toEqual(['kafka']);
});

test('a failed installation leaves nothing, and the next one starts over', async () => {
  const dir = await emptyFolder();
  const target = join(dir, 'kafka');
  const failing = installOnce(target, async (unfinished) => {
    await mkdir(unfinished);
    throw new Error('the network went away');
  });
  await expect(failing).rejects.toThrow('the network went away');
  expect(await readdir(dir)).toEqual([]);
  await installOnce(target, async (unfinished) => writeFile(unfinished, 'complete'));
  expect(existsSync(target)).toBe(true);
});
