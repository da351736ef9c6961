import { expect, test } from 'vitest';
import { textTable } from '../../../cli/text-table.ts';

test('columns are as wide as their widest cell, numbers to the right', () => {
  const rows = [
    ['0', '25000', 'written'],
    ['1', '7', 'up-to-date'],
  ];
  expect(textTable(['group', 'partitions', 'outcome'], rows).split('\n')).toEqual([
    'group  partitions  outcome',
    '    0       25000  written',
    '    1           7  up-to-date',
  ]);
});

test('a table without rows is its header', () => {
  expect(textTable(['a', 'b'], [])).toBe('a  b');
});
