/**
 * One connection to one broker: negotiates versions, logs in, and sends requests in a pipeline. It
 * promises that every request ends in an answer or a typed error, and that what it holds is bounded
 * by the limits in its options. It does not retry, and knows no other broker.
 */

import { KafkaErrorCode, kafkaErrorName } from '../error-codes.ts';
import { kafkaError } from '../errors.ts';
import { apis } from '../messages/index.ts';
import { parseResponseHeader, requestFrame } from '../wire/frame.ts';
import type { Message } from '../wire/message.ts';
import { Reader } from '../wire/reader.ts';
import { authenticate } from './authenticate.ts';
import type { SaslCredentials } from './authenticate.ts';
import { openSocket } from './open-socket.ts';
import type { Endpoint, TlsOptions } from './open-socket.ts';
import { RequestPipeline, connectionLost } from './request-pipeline.ts';
import type { Requester, RequestOptions } from './requester.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const FRAME_BYTES_MAX = 128 * 1024 * 1024;
const IN_FLIGHT_MAX = 64;

/** The part of a session that is used: the broker closes connections that outlive it (KIP-368). */
const SESSION_USED = 0.85;

/** A longer delay than this makes setTimeout fire at once. */
const TIMER_MS_MAX = 0x7fff_ffff;

/** What brokers show in their connection metrics (KIP-511). */
const CLIENT_SOFTWARE = { clientSoftwareName: 'outrigger', clientSoftwareVersion: '1' };

/** How to talk to the brokers of a cluster, whichever of them. */
export interface ConnectionOptions {
  readonly clientId: string;
  readonly tls?: TlsOptions | undefined;
  readonly sasl?: SaslCredentials | undefined;
  /** For the socket with TLS, and for every request until the login is done. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Longest response. Default 128 MiB. */
  readonly frameBytesMax?: number | undefined;
  /** Requests that may wait for their answers at the same time. Default 64. */
  readonly inFlightMax?: number | undefined;
}

/** Versions of one API, both included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

type Api<Input, Response> = {
  readonly request: Message<unknown, Input>;
  readonly response: Message<Response>;
};

export class BrokerConnection implements Requester {
  readonly #pipeline: RequestPipeline;
  readonly #clientId: string;
  readonly #requestTimeoutMs: number;
  #versions: ReadonlyMap<number, VersionRange> = new Map();
  #sessionTimer: NodeJS.Timeout | undefined;

  /**
   * Connects, learns the broker's versions, and logs in.
   *
   * @throws KAFKA_CONNECTION_LOST, KAFKA_REQUEST_TIMED_OUT, KAFKA_AUTHENTICATION_FAILED,
   *   KAFKA_VERSION_UNSUPPORTED, KAFKA_FRAME_MALFORMED
   */
  static async open(endpoint: Endpoint, options: ConnectionOptions): Promise<BrokerConnection> {
    const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const socket = await openSocket(endpoint, options.tls, timeoutMs);
    const pipeline = new RequestPipeline(socket, {
      frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX,
      inFlightMax: options.inFlightMax ?? IN_FLIGHT_MAX,
    });
    const connection = new BrokerConnection(pipeline, options);
    try {
      await connection.#greet(options.sasl, timeoutMs);
    } catch (error) {
      pipeline.fail(connectionLost('the greeting failed', error));
      throw error;
    }
    return connection;
  }

  private constructor(pipeline: RequestPipeline, options: ConnectionOptions) {
    this.#pipeline = pipeline;
    this.#clientId = options.clientId;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  /** Whether new requests may be sent. */
  get isOpen(): boolean {
    return this.#pipeline.isOpen;
  }

  /** Requests that wait for their answers. */
  get inFlight(): number {
    return this.#pipeline.inFlight;
  }

  /** What the broker offers, by API key. */
  get versions(): ReadonlyMap<number, VersionRange> {
    return this.#versions;
  }

  /**
   * @returns the highest version of the message that both ends speak
   * @throws KAFKA_VERSION_UNSUPPORTED
   */
  highestVersion(message: Message): number {
    const [first, last] = message.versions;
    const offered = this.#versions.get(message.apiKey);
    const version = Math.min(last, offered?.max ?? -1);
    if (version < first) throw unsupported(message, last, offered);
    return this.#checked(message, version);
  }

  /**
   * Sends one request; earlier ones need not be answered yet. A Produce request with acks 0 has no
   * answer and must not be sent this way. Error codes in the response are the caller's.
   *
   * @returns the decoded response; its byte fields are views of the received bytes
   * @throws KAFKA_VERSION_UNSUPPORTED, KAFKA_VALUE_INVALID, KAFKA_IN_FLIGHT_EXCEEDED; and, ending
   *   the connection, KAFKA_CONNECTION_LOST, KAFKA_REQUEST_TIMED_OUT, KAFKA_FRAME_MALFORMED,
   *   KAFKA_FRAME_TOO_LARGE
   */
  async request<Input, Response>(
    api: Api<Input, Response>,
    body: Input,
    options: RequestOptions = {},
  ): Promise<Response> {
    const version =
      options.version === undefined
        ? this.highestVersion(api.request)
        : this.#checked(api.request, options.version);
    const frame = await this.#send(
      api.request,
      body,
      version,
      options.timeoutMs ?? this.#requestTimeoutMs,
    );
    return this.#decode(api.response, frame, version);
  }

  /** Ends the connection; requests that still wait fail. Resolves when the socket is closed. */
  async close(): Promise<void> {
    clearTimeout(this.#sessionTimer);
    await this.#pipeline.close();
  }

  async #greet(sasl: SaslCredentials | undefined, timeoutMs: number): Promise<void> {
    this.#versions = await this.#negotiate(timeoutMs);
    if (sasl === undefined) return;
    const sessionMs = await authenticate(this, sasl, timeoutMs);
    if (sessionMs === 0) return;
    const usedMs = Math.min(sessionMs * SESSION_USED, TIMER_MS_MAX);
    this.#sessionTimer = setTimeout(() => this.#pipeline.retire(), usedMs).unref();
  }

  async #negotiate(timeoutMs: number): Promise<ReadonlyMap<number, VersionRange>> {
    const { request, response } = apis.ApiVersions;
    let version: number = request.versions[1];
    let frame = await this.#send(request, CLIENT_SOFTWARE, version, timeoutMs);
    if (apiVersionsError(frame, version) === KafkaErrorCode.UNSUPPORTED_VERSION) {
      // A broker that lacks our version answers in version 0 (KIP-511).
      version = 0;
      frame = await this.#send(request, CLIENT_SOFTWARE, version, timeoutMs);
    }
    const { errorCode, apiKeys } = this.#decode(response, frame, version);
    if (errorCode !== KafkaErrorCode.NONE) {
      throw connectionLost(`ApiVersions was refused: ${kafkaErrorName(errorCode) ?? errorCode}`);
    }
    return new Map(
      apiKeys.map(({ apiKey, minVersion, maxVersion }) => {
        return [apiKey, { min: minVersion, max: maxVersion }];
      }),
    );
  }

  #send<Input>(
    request: Message<unknown, Input>,
    body: Input,
    apiVersion: number,
    timeoutMs: number,
  ): Promise<Buffer> {
    return this.#pipeline.send(
      request.name,
      (correlationId) => {
        const head = { apiVersion, correlationId, clientId: this.#clientId };
        return requestFrame(request, head, body);
      },
      timeoutMs,
    );
  }

  #decode<Response>(response: Message<Response>, frame: Buffer, version: number): Response {
    try {
      const { bodyOffset } = parseResponseHeader(frame, response.apiKey, version);
      return response.decode(frame, version, bodyOffset);
    } catch (error) {
      this.#pipeline.fail(connectionLost('unreadable answer', error));
      throw error;
    }
  }

  #checked(message: Message, version: number): number {
    const offered = this.#versions.get(message.apiKey);
    const isOffered = offered !== undefined && version >= offered.min && version <= offered.max;
    if (!isOffered || !message.supports(version)) throw unsupported(message, version, offered);
    return version;
  }
}

/** The error code of an ApiVersions response, which stands at the same place in all versions. */
function apiVersionsError(frame: Buffer, version: number): number {
  const header = parseResponseHeader(frame, apis.ApiVersions.response.apiKey, version);
  return new Reader(frame, header.bodyOffset).int16();
}

function unsupported(message: Message, version: number, offered: VersionRange | undefined): Error {
  const range = offered === undefined ? 'no version' : `${offered.min} to ${offered.max}`;
  return kafkaError(
    'KAFKA_VERSION_UNSUPPORTED',
    `${message.name} v${version} cannot be used: the broker offers ${range}`,
    { details: { message: message.name, version, offered: offered ?? null } },
  );
}
