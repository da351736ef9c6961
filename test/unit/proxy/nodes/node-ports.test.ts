import { expect, test } from 'vitest';
import { hasCode } from '../../../../kafka/index.ts';
import { NodePorts } from '../../../../proxy/nodes/node-ports.ts';

test('brokers get their ports in the order of their ids, two each', () => {
  const ports = new NodePorts({ first: 100, last: 105 });
  ports.assign([7, 1, 3]);
  expect(ports.portsOf(1)).toEqual({ classicPort: 100, disklessPort: 101 });
  expect(ports.portsOf(3)).toEqual({ classicPort: 102, disklessPort: 103 });
  expect(ports.portsOf(7)).toEqual({ classicPort: 104, disklessPort: 105 });
  expect(ports.portsOf(2)).toBeUndefined();
});

test('a broker that joins later takes the next free ports and moves nobody', () => {
  const ports = new NodePorts({ first: 100, last: 200 });
  ports.assign([2, 3]);
  ports.assign([1, 2, 3]);
  expect(ports.portsOf(2)?.classicPort).toBe(100);
  expect(ports.portsOf(3)?.classicPort).toBe(102);
  expect(ports.portsOf(1)?.classicPort).toBe(104);
});

test('a range that is too small is refused with the name of its key', () => {
  const ports = new NodePorts({ first: 100, last: 104 });
  try {
    ports.assign([1, 2, 3]);
    expect.unreachable();
  } catch (error) {
    expect(hasCode(error, 'PROXY_NODE_PORTS_EXHAUSTED')).toBe(true);
    expect(String(error)).toContain('node.ports=100-104');
    expect(String(error)).toContain('3 brokers need 6');
  }
  expect(ports.portsOf(2)).toEqual({ classicPort: 102, disklessPort: 103 });
});
