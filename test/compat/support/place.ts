/** Where a record is, and what it is: as a producer was told, or as a consumer found it. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** @returns what is compared: all of them in the order of partitions and offsets */
export function inOrder(places: readonly Place[]): Place[] {
  return places.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}
