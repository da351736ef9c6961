/**
 * Makes new names in folders survive a power cut. Callers that arrive while a folder is being
 * synced share the next sync of it, so that many small puts cost few syncs.
 */
import type { FileSystem } from './file-system.ts';

export class DirectorySync {
  readonly #files: Pick<FileSystem, 'open'>;
  readonly #running = new Map<string, Promise<void>>();
  readonly #queued = new Map<string, Promise<void>>();

  constructor(files: Pick<FileSystem, 'open'>) {
    this.#files = files;
  }

  /** @returns once a sync has ended that began after this call */
  async sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (running === undefined) return await this.#start(folder);
    let queued = this.#queued.get(folder);
    if (queued === undefined) {
      const startNext = async (): Promise<void> => {
        this.#queued.delete(folder);
        await this.#start(folder);
      };
      queued = running.then(startNext, startNext);
      this.#queued.set(folder, queued);
    }
    await queued;
  }

  async #start(folder: string): Promise<void> {
    const running = this.#sync(folder).finally(() => this.#running.delete(folder));
    this.#running.set(folder, running);
    await running;
  }

  async #sync(folder: string): Promise<void> {
    const handle = await this.#files.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
