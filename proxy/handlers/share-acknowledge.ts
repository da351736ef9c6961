/** ShareAcknowledge (KIP-932): carries no records, but may name new leaders and their addresses. */
import { ShareAcknowledgeResponse } from '../../kafka/index.ts';
import type { RequestHandler } from '../connection/handler.ts';
import { changedReply, decodeReply } from '../connection/recode.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';

/** @returns the handler of ShareAcknowledge */
export function shareAcknowledgeHandler(leaderHints: LeaderHints): RequestHandler {
  return {
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => {
        const { header, body } = decodeReply(ShareAcknowledgeResponse, request, frame);
        if (!leaderHints.rewriteShareAcknowledge(body, request)) return { chunks: [frame] };
        return changedReply(ShareAcknowledgeResponse, request, header, body);
      },
    }),
  };
}
