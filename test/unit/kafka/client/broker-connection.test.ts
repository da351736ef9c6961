import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BrokerConnection } from '../../../../kafka/client/broker-connection.ts';
import type { ConnectionOptions } from '../../../../kafka/client/broker-connection.ts';
import { ListGroupsResponse, apis } from '../../../../kafka/messages/index.ts';
import { responseFrame } from '../../../../kafka/wire/frame.ts';
import { FakeBroker } from './fake-broker.ts';
import type { ReceivedRequest } from './fake-broker.ts';

let broker: FakeBroker;
let opened: BrokerConnection[] = [];

beforeEach(async () => {
  broker = await FakeBroker.start();
});

afterEach(async () => {
  await Promise.all(opened.map((connection) => connection.close()));
  opened = [];
  await broker.stop();
});

async function open(options: Partial<ConnectionOptions> = {}): Promise<BrokerConnection> {
  const connection = await BrokerConnection.open(broker.endpoint, { clientId: 'test', ...options });
  opened.push(connection);
  return connection;
}

/** An answer that names the request's correlation id, to tell one from another. */
function answer(request: ReceivedRequest): Buffer[] {
  const groups = [{ groupId: `g${request.correlationId}`, protocolType: 'consumer' }];
  return responseFrame(ListGroupsResponse, request, { errorCode: 0, groups });
}

function withCode(code: string) {
  return expect.objectContaining({ code });
}

describe('versions', () => {
  test('are the highest that both ends speak', async () => {
    const connection = await open();
    expect(connection.versions.get(3)).toEqual({ min: 0, max: 12 });
    expect(connection.highestVersion(apis.Metadata.request)).toBe(12);
    broker.handle = answer;
    await connection.request(apis.ListGroups, {});
    expect(broker.received.at(-1)).toMatchObject({ apiKey: 16, apiVersion: 5, clientId: 'test' });
  });

  test('are learnt from a broker that lacks our version of ApiVersions', async () => {
    broker.offered = [
      { apiKey: 18, minVersion: 0, maxVersion: 2 },
      { apiKey: 16, minVersion: 0, maxVersion: 1 },
    ];
    const connection = await open();
    expect(connection.versions.get(16)).toEqual({ min: 0, max: 1 });
    expect(broker.received.map(({ apiVersion }) => apiVersion)).toEqual([4, 0]);
  });

  test('that only one end speaks are refused without a request', async () => {
    const connection = await open();
    const sent = broker.received.length;
    await expect(connection.request(apis.ListGroups, {}, { version: 6 })).rejects.toThrow(
      withCode('KAFKA_VERSION_UNSUPPORTED'),
    );
    await expect(connection.request(apis.EndTxn, endTxn)).rejects.toThrow(
      withCode('KAFKA_VERSION_UNSUPPORTED'),
    );
    expect(broker.received).toHaveLength(sent);
    expect(connection.isOpen).toBe(true);
  });

  const endTxn = { transactionalId: 't', producerId: 1n, producerEpoch: 0, committed: true };
});

describe('requests', () => {
  test('are sent before earlier ones are answered, and get their own answers', async () => {
    const connection = await open();
    const held: ReceivedRequest[] = [];
    broker.handle = (request) => {
      held.push(request);
      return held.length < 3 ? null : held.flatMap(answer);
    };
    const groups = await Promise.all(
      [1, 2, 3].map(async () => (await connection.request(apis.ListGroups, {})).groups[0]?.groupId),
    );
    expect(groups).toEqual(held.map(({ correlationId }) => `g${correlationId}`));
    expect(new Set(groups).size).toBe(3);
  });

  test('beyond the limit are refused', async () => {
    const connection = await open({ inFlightMax: 1 });
    const first = connection.request(apis.ListGroups, {});
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      withCode('KAFKA_IN_FLIGHT_EXCEEDED'),
    );
    expect(connection.inFlight).toBe(1);
    const [failed] = await Promise.allSettled([first, connection.close()]);
    expect(failed).toMatchObject({ reason: { code: 'KAFKA_CONNECTION_LOST' } });
  });

  test('that are not answered in time end the connection, and those behind them', async () => {
    const connection = await open();
    const late = connection.request(apis.ListGroups, {}, { timeoutMs: 20 });
    const behind = connection.request(apis.ListGroups, {});
    const failures = await Promise.allSettled([late, behind]);
    expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(late).rejects.toThrow(withCode('KAFKA_REQUEST_TIMED_OUT'));
    await expect(behind).rejects.toThrow(withCode('KAFKA_CONNECTION_LOST'));
    expect(connection.isOpen).toBe(false);
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      withCode('KAFKA_CONNECTION_LOST'),
    );
  });

  test('that wait fail when the broker closes', async () => {
    const connection = await open();
    broker.handle = ({ socket }) => {
      socket.end();
      return null;
    };
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_CONNECTION_LOST', retriable: true }),
    );
    expect(connection.isOpen).toBe(false);
  });

  test('that cannot be encoded leave the connection as it is', async () => {
    const connection = await open();
    broker.handle = answer;
    const statesFilter = ['x'.repeat(0x8000)];
    await expect(connection.request(apis.ListGroups, { statesFilter })).rejects.toThrow(
      withCode('KAFKA_VALUE_INVALID'),
    );
    await expect(connection.request(apis.ListGroups, {})).resolves.toMatchObject({ errorCode: 0 });
  });
});

describe('answers', () => {
  test('out of order end the connection', async () => {
    const connection = await open();
    broker.handle = (request) => answer({ ...request, correlationId: request.correlationId + 1 });
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      withCode('KAFKA_FRAME_MALFORMED'),
    );
    expect(connection.isOpen).toBe(false);
  });

  test('that are malformed end the connection with the path of the field', async () => {
    const connection = await open();
    broker.handle = ({ correlationId }) => {
      const frame = Buffer.from('0000000f0000000000000000000000ffffff7f', 'hex');
      frame.writeInt32BE(correlationId, 4);
      return [frame];
    };
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      'ListGroupsResponse v5.groups',
    );
    expect(connection.isOpen).toBe(false);
  });

  test('longer than the limit end the connection', async () => {
    const connection = await open({ frameBytesMax: 100 });
    broker.handle = () => [Buffer.from('00000065', 'hex')];
    await expect(connection.request(apis.ListGroups, {})).rejects.toThrow(
      withCode('KAFKA_FRAME_TOO_LARGE'),
    );
  });

  test('that nobody asked for end the connection', async () => {
    const connection = await open();
    for (const socket of broker.sockets) socket.write(Buffer.from('000000040000002a', 'hex'));
    await expect.poll(() => connection.isOpen).toBe(false);
  });
});

describe('opening', () => {
  test('fails when nobody listens', async () => {
    const { endpoint } = broker;
    await broker.stop();
    await expect(BrokerConnection.open(endpoint, { clientId: 'test' })).rejects.toThrow(
      expect.objectContaining({ code: 'KAFKA_CONNECTION_LOST', retriable: true }),
    );
    broker = await FakeBroker.start();
  });

  test('fails when the peer does not speak', async () => {
    broker.offered = [];
    await expect(open()).rejects.toThrow(withCode('KAFKA_CONNECTION_LOST'));
    await expect.poll(() => broker.sockets.size).toBe(0);
  });

  test('fails when the peer speaks something else', async () => {
    broker.handle = () => null;
    await expect(open({ tls: {}, connectTimeoutMs: 200 })).rejects.toThrow(
      withCode('KAFKA_CONNECTION_LOST'),
    );
  });
});
