import { expect, test } from 'vitest';
import { hasCode } from '../../../../kafka/index.ts';
import { NodePorts } from '../../../../proxy/nodes/node-ports.ts';

test('brokers get two ports each, in the order in which they are named', () => {
  const ports = new NodePorts({ first: 100, last: 105 });
  expect(ports.assign(1)).toEqual({ classicPort: 100, disklessPort: 101 });
  expect(ports.assign(3)).toEqual({ classicPort: 102, disklessPort: 103 });
  expect(ports.assign(7)).toEqual({ classicPort: 104, disklessPort: 105 });
});

test('a broker that joins later takes the next free ports, and each keeps its own', () => {
  const ports = new NodePorts({ first: 100, last: 200 });
  for (const brokerId of [2, 3, 1, 2, 3, 1]) ports.assign(brokerId);
  expect([2, 3, 1].map((brokerId) => ports.assign(brokerId).classicPort)).toEqual([100, 102, 104]);
});

test('a range that is too small is refused with the name of its key', () => {
  const ports = new NodePorts({ first: 100, last: 104 });
  ports.assign(1);
  ports.assign(2);
  try {
    ports.assign(3);
    expect.unreachable();
  } catch (error) {
    expect(hasCode(error, 'PROXY_NODE_PORTS_EXHAUSTED')).toBe(true);
    expect(String(error)).toContain('node.ports=100-104');
    expect(String(error)).toContain('3 brokers need 6');
  }
  expect(ports.assign(2)).toEqual({ classicPort: 102, disklessPort: 103 });
});
