/**
 * What clients ask every node of a cluster and add up: groups, transactions, log dirs. A diskless
 * node stands for a broker that is asked on its classic node already, so it has none of them. The
 * broker is asked all the same: it decides whether the client may ask at all.
 */
import {
  DescribeLogDirsResponse,
  ListGroupsResponse,
  ListTransactionsResponse,
  type Message,
} from '../../kafka/index.ts';
import { forwardUntouched, type RequestHandler } from '../connection/handler.ts';
import { changedReply, decodeReply } from '../connection/recode.ts';

function emptyOnDisklessNodes<Input, Body extends Input>(
  response: Message<Body, Input>,
  empty: (body: Body) => void,
): RequestHandler {
  return {
    handle(request, connection) {
      if (connection.node.kind !== 'diskless') return forwardUntouched.handle(request, connection);
      return {
        kind: 'forward',
        frame: [request.frame],
        reply: (frame) => {
          const { header, body } = decodeReply(response, request, frame);
          empty(body);
          return changedReply(response, request, header, body);
        },
      };
    },
  };
}

export const listGroupsHandler: RequestHandler = emptyOnDisklessNodes(
  ListGroupsResponse,
  (body) => {
    body.groups = [];
  },
);

export const listTransactionsHandler: RequestHandler = emptyOnDisklessNodes(
  ListTransactionsResponse,
  (body) => {
    body.transactionStates = [];
  },
);

/**
 * Java's admin client takes an answer without directories for one that it was not allowed to have.
 */
export const describeLogDirsHandler: RequestHandler = emptyOnDisklessNodes(
  DescribeLogDirsResponse,
  (body) => {
    for (const directory of body.results) {
      directory.topics = [];
      directory.totalBytes = -1n;
      directory.usableBytes = -1n;
    }
  },
);
