/** A topic catalog for handlers: which topics are diskless shows in their names or ids. */
import type { KnownTopic, KnownTopics } from '../../proxy/handlers/diskless-leaders.ts';

export class FakeTopics implements KnownTopics {
  readonly learned: { readonly name: string; readonly topicId: string }[] = [];
  readonly lookedUp: string[] = [];
  readonly #isDiskless: (nameOrId: string) => boolean;
  readonly #names = new Set<string>();

  constructor(isDiskless: (nameOrId: string) => boolean) {
    this.#isDiskless = isDiskless;
  }

  byName(name: string): KnownTopic | undefined {
    return this.#names.has(name) ? { name, diskless: this.#isDiskless(name) } : undefined;
  }

  byId(topicId: string): KnownTopic | undefined {
    return { name: `name of ${topicId}`, diskless: this.#isDiskless(topicId) };
  }

  learn(topics: readonly { readonly name: string; readonly topicId: string }[]): void {
    this.learned.push(...topics);
    for (const { name } of topics) this.#names.add(name);
  }

  async lookUp({ names = [] }: { readonly names?: readonly string[] }): Promise<void> {
    this.lookedUp.push(...names);
    for (const name of names) this.#names.add(name);
  }
}
