/** Builds the image that is tried, once for all tests, from what is in the working tree. */
import { fileURLToPath } from 'node:url';
import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The name of Outrigger's image. */
    readonly image: string;
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCKERFILE = 'docker/Dockerfile';

export async function setup(project: TestProject): Promise<void> {
  await expectEngine();
  project.provide('image', await buildImage());
}

async function expectEngine(): Promise<void> {
  try {
    await getContainerRuntimeClient();
  } catch {
    // Testcontainers' own error does not say more, but its log does.
    const where = process.env['DOCKER_HOST'] ?? 'the usual sockets';
    const hint = 'DEBUG=testcontainers shows what was tried';
    throw new Error(`test:compat needs a Docker engine, and none answers at ${where} (${hint})`);
  }
}

/** @returns a name of its own, so that a build that fails cannot pass an older image off as new */
async function buildImage(): Promise<string> {
  const name = `outrigger:compat-${process.pid}-${Date.now()}`;
  try {
    await GenericContainer.fromDockerfile(ROOT, DOCKERFILE).build(name);
  } catch (error) {
    const hint = 'DEBUG=testcontainers:build shows why';
    throw new Error(`${DOCKERFILE} could not be built (${hint})`, { cause: error });
  }
  return name;
}
