/**
 * Config resources as requests name them: what they name of brokers is put into the brokers' own
 * words, and back in the answers.
 */
import { brokerResourceName, brokerThrottledReplicas } from '../nodes/broker-references.ts';
import { RESOURCE_TYPE } from '../topics/cluster-topics.ts';
import { THROTTLED_REPLICAS_KEYS } from '../topics/topic-keys.ts';

interface NamedResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

interface NamedValue {
  readonly name: string;
  readonly value: string | null;
}

/** @returns the name under which the broker knows the resource */
export function sentName({ resourceType, resourceName }: NamedResource): string {
  const isBroker =
    resourceType === RESOURCE_TYPE.broker || resourceType === RESOURCE_TYPE.brokerLogger;
  return isBroker ? brokerResourceName(resourceName) : resourceName;
}

/** @returns the value as the broker takes it: replicas are named by broker ids */
export function sentValue({ name, value }: NamedValue): string | null {
  return value !== null && THROTTLED_REPLICAS_KEYS.has(name)
    ? brokerThrottledReplicas(value)
    : value;
}

/** @returns a key of the resource in the maps of one request */
export function resourceKey(resourceType: number, resourceName: string): string {
  return `${resourceType}/${resourceName}`;
}
