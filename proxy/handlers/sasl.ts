/**
 * SaslHandshake. Version 1 is relayed, and with it every mechanism whose tokens travel in
 * SaslAuthenticate. After version 0 they would travel without request headers, which a proxy that
 * cuts frames into requests cannot relay; no client since Kafka 1.0 needs it.
 */
import { KafkaErrorCode, SaslHandshakeResponse } from '../../kafka/index.ts';
import { forwardUntouched, type RequestHandler } from '../connection/handler.ts';
import { ownReply } from '../connection/recode.ts';

/** The first version whose tokens travel in requests (KIP-152). */
export const SASL_HANDSHAKE_VERSION_MIN = 1;

export const saslHandshakeHandler: RequestHandler = {
  handle(request, connection) {
    if (request.apiVersion >= SASL_HANDSHAKE_VERSION_MIN) {
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
