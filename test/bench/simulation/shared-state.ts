/** What simulated members and workers share. */
import type { Logger } from 'pino';
import type {
  Coordinator,
  FileAnnouncement,
  WorkerCoordinator,
} from '../../../coordinator/index.ts';
import type { ObjectStore } from '../../../storage/index.ts';
import { FakeWorkerCoordinator } from '../../support/fake-worker-coordinator.ts';

export interface SharedState {
  readonly topics: Pick<Coordinator, 'topics'>;
  readonly workers: WorkerCoordinator;
  /** As a member does after an upload, and again when the broker has answered. */
  announce(file: FileAnnouncement): void;
  /** Resolves once everybody may know of all that was announced. */
  settled(): Promise<void>;
  /** Of all data in Redis. */
  bytes(): Promise<number>;
  close(): Promise<void>;
}

export type OpenState = (
  store: ObjectStore,
  clusterId: string,
  logger: Logger,
) => Promise<SharedState>;

/** Without a Redis: in no time, and no bytes. */
export const openMemoryState: OpenState = async () => {
  const workers = new FakeWorkerCoordinator();
  return {
    topics: { topics: () => new Map() },
    workers,
    announce: (file) => {
      workers.announce(file);
      workers.settle(file.fileId);
    },
    settled: async () => {},
    bytes: async () => 0,
    close: async () => workers.close(),
  };
};
