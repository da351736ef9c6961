/** What journals say of partitions, as a test wants it. */
import type { PartitionStates, PartitionView } from '../../coordinator/index.ts';
import { partitionKey, type PartitionId } from '../../storage/index.ts';

export class FakeStates implements PartitionStates {
  readonly #views = new Map<string, PartitionView>();
  /** While true neither Redis nor the bucket answers. */
  isDown = false;
  /** How often somebody asked. */
  asked = 0;

  set(view: PartitionView): void {
    this.#views.set(partitionKey(view), view);
  }

  async get(id: PartitionId): Promise<PartitionView | undefined> {
    this.asked += 1;
    if (this.isDown) throw new Error('neither Redis nor the bucket answers');
    return this.#views.get(partitionKey(id));
  }
}
