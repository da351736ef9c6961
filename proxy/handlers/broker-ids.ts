/**
 * Requests that name brokers by id: where a client names a diskless node, the broker behind it is
 * meant. Requests that name none are forwarded as the bytes that they came in.
 */
import {
  AlterPartitionReassignmentsRequest,
  CreatePartitionsRequest,
  UnregisterBrokerRequest,
  type Message,
} from '../../kafka/index.ts';
import { forwardUntouched, type RequestHandler } from '../connection/handler.ts';
import { changedRequest, decodeRequest } from '../connection/recode.ts';
import { brokerIdsOf } from '../nodes/broker-references.ts';
import { brokerIdOf } from '../nodes/node-id.ts';

/** @param replaceIds changes the request, and says whether it did */
function withBrokerIds<Input, Body extends Input>(
  message: Message<Body, Input>,
  replaceIds: (body: Body) => boolean,
): RequestHandler {
  return {
    handle(request, connection) {
      const body = decodeRequest(message, request);
      if (!replaceIds(body)) return forwardUntouched.handle(request, connection);
      return { kind: 'forward', frame: changedRequest(message, request, body), reply: 'pass' };
    },
  };
}

export const alterPartitionReassignmentsHandler: RequestHandler = withBrokerIds(
  AlterPartitionReassignmentsRequest,
  (body) => {
    let replaced = false;
    for (const partition of body.topics.flatMap((topic) => topic.partitions)) {
      const brokerIds = partition.replicas === null ? null : brokerIdsOf(partition.replicas);
      if (brokerIds === null) continue;
      partition.replicas = brokerIds;
      replaced = true;
    }
    return replaced;
  },
);

export const createPartitionsHandler: RequestHandler = withBrokerIds(
  CreatePartitionsRequest,
  (body) => {
    let replaced = false;
    for (const assignment of body.topics.flatMap((topic) => topic.assignments ?? [])) {
      const brokerIds = brokerIdsOf(assignment.brokerIds);
      if (brokerIds === null) continue;
      assignment.brokerIds = brokerIds;
      replaced = true;
    }
    return replaced;
  },
);

export const unregisterBrokerHandler: RequestHandler = withBrokerIds(
  UnregisterBrokerRequest,
  (body) => {
    const brokerId = brokerIdOf(body.brokerId);
    const replaced = brokerId !== body.brokerId;
    body.brokerId = brokerId;
    return replaced;
  },
);
