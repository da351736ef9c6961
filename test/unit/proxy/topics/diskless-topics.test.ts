import { expect, test } from 'vitest';
import { parseDisklessTopics } from '../../../../proxy/topics/diskless-topics.ts';

test('a star stands for any characters, a question mark for one, a dot for itself', () => {
  const topics = parseDisklessTopics(['orders.*', 'logs-*', 't?']);
  const names = [
    'orders.eu',
    'orders.',
    'logs-',
    'logs-a.b',
    't1',
    'orders',
    'ordersX1',
    'logs',
    't',
  ];
  expect(names.filter((name) => topics.matches(name))).toEqual([
    'orders.eu',
    'orders.',
    'logs-',
    'logs-a.b',
    't1',
  ]);
});

test('a pattern is the whole name, not a part of it', () => {
  expect(parseDisklessTopics(['orders']).matches('my-orders')).toBe(false);
  expect(parseDisklessTopics(['orders']).matches('orders')).toBe(true);
});

test('reserved names never match', () => {
  const topics = parseDisklessTopics(['*']);
  expect(topics.matches('__consumer_offsets')).toBe(false);
  expect(topics.matches('_schemas')).toBe(true);
});

test('no patterns match nothing, and say so', () => {
  const topics = parseDisklessTopics([]);
  expect({ isEmpty: topics.isEmpty, matches: topics.matches('orders') }).toEqual({
    isEmpty: true,
    matches: false,
  });
});

test('a regular expression is refused at start, not misread', () => {
  expect(() => parseDisklessTopics(['orders.(eu|us)'])).toThrow(
    '"orders.(eu|us)" is not a topic name',
  );
  expect(() => parseDisklessTopics(['[a-z]+'])).toThrow('"[a-z]+" is not a topic name');
});

test('a pattern of many stars is matched in no time', () => {
  const topics = parseDisklessTopics(['*'.repeat(50)]);
  expect(topics.matches('a'.repeat(249))).toBe(true);
});
