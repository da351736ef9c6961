/**
 * SaslHandshake. Version 1 is relayed, and with it every mechanism whose tokens travel in
 * SaslAuthenticate. After version 0 they would travel without request headers, which a proxy that
 * reads request headers cannot relay: refused, though offered, because librdkafka takes an offer
 * without version 0 for none. No client since Kafka 1.0 uses it.
 */
import { KafkaErrorCode, SaslHandshakeResponse } from '../../kafka/index.ts';
import { forwardUntouched, type RequestHandler } from '../connection/handler.ts';
import { ownReply } from '../connection/recode.ts';

/** The first version whose tokens travel in requests (KIP-152). */
const FRAMED_TOKENS_VERSION = 1;

export const saslHandshakeHandler: RequestHandler = {
  handle(request, connection) {
    if (request.apiVersion >= FRAMED_TOKENS_VERSION) {
      return forwardUntouched.handle(request, connection);
    }
    const body = { errorCode: KafkaErrorCode.UNSUPPORTED_VERSION, mechanisms: [] };
    return {
      kind: 'answer',
      reply: ownReply(SaslHandshakeResponse, request, body),
      close: true,
    };
  },
};
