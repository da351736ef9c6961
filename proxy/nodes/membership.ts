/**
 * This member among the others: what it says of itself, and how nodes and addresses follow the
 * brokers and members that come and go.
 */
import type { Logger } from 'pino';
import type { Coordinator, MemberRecord } from '../../coordinator/index.ts';
import { FORMAT_LEVEL } from '../../storage/index.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import { proxyError } from '../errors.ts';
import type { Opened } from '../../runtime/index.ts';
import type { ProxyOptions } from '../proxy-options.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { NodeListeners } from './node-listeners.ts';

/** For operators, who see it in the member's record. */
const VERSION = '0.1.0';

/** @returns this member's record as it is at the moment of asking */
export function selfRecord(
  { member, listener }: ProxyOptions,
  listeners: NodeListeners,
): () => MemberRecord {
  const startedAtMs = Date.now();
  return () => ({
    memberId: member.id,
    rack: member.rack,
    host: listener.advertisedHost,
    bootstrapPort: listener.port,
    nodes: listeners.nodes,
    startedAtMs,
    version: VERSION,
    formatLevel: FORMAT_LEVEL,
  });
}

/** @throws PROXY_MEMBER_ID_TAKEN if another live process has this member's id */
export async function join(coordinator: Coordinator, self: MemberRecord): Promise<void> {
  const outcome = await coordinator.join(self);
  if (outcome.kind === 'conflict') throw memberIdTaken(self.memberId, outcome.other);
}

function memberIdTaken(memberId: number, other: MemberRecord): Error {
  const place = `${other.host}:${other.bootstrapPort}`;
  const message = `member.id=${memberId} is taken by the member at ${place}; each member needs its own`;
  return proxyError('PROXY_MEMBER_ID_TAKEN', message);
}

export interface Followed {
  readonly cluster: ClusterView;
  readonly coordinator: Coordinator;
  readonly listeners: NodeListeners;
  readonly directory: NodeDirectory;
  readonly self: () => MemberRecord;
  readonly log: Logger;
}

/** Keeps nodes and addresses up to date with brokers and members. @returns `Proxy.failed` */
export function follow(followed: Followed, opened: Opened): Promise<string> {
  const { cluster, coordinator, listeners, directory, self, log } = followed;
  const onBrokers = async (): Promise<void> => {
    try {
      await listeners.openNodes(cluster.brokers.map(({ id }) => id));
    } catch (error) {
      log.error({ err: error }, 'a broker has no node, and clients are not sent to it');
    }
    coordinator.update(self());
    directory.refresh();
  };
  opened.onClose(cluster.subscribe(() => void onBrokers()));
  // Also for brokers that came before anyone listened.
  void onBrokers();
  return new Promise((resolve) => {
    const unsubscribe = coordinator.subscribe((event) => {
      if (event.kind === 'members-changed' || event.kind === 'refreshed') directory.refresh();
      else if (event.kind === 'member-conflict') {
        resolve(memberIdTaken(self().memberId, event.other).message);
      }
    });
    opened.onClose(unsubscribe);
  });
}
