/**
 * The highest offset of each key of a stretch of a log, in a fixed amount of memory whatever the
 * keys are: Kafka's `SkimpyOffsetMap`. A key is known by 128 bits of its SHA-256, an offset by its
 * distance from the stretch's start; slots lie in one buffer, with open addressing.
 *
 * Kafka hashes with MD5. Two keys of one MD5 are made in seconds by now, and a map that took them
 * for one would drop the value of the first; SHA-256 costs 0.3 µs a key more (1.4 against 1.7).
 */
import { hash } from 'node:crypto';
import assert from 'node:assert/strict';

/** Four words of the hash, and the offset. */
const SLOT_WORDS = 5;
const SLOT_BYTES = SLOT_WORDS * Uint32Array.BYTES_PER_ELEMENT;
/** Above it, looking for what is not there takes many steps: nine at this load, fifty at 0.9. */
const LOAD_MAX = 0.75;
/** Offsets of one stretch: 0 stands for an empty slot. */
const DISTANCE_MAX = 2 ** 32 - 2;

export class OffsetMap {
  readonly #slots: Uint32Array;
  readonly #slotCount: number;
  readonly #startOffset: bigint;
  #size = 0;

  /**
   * @param bytes what the map may take, at least two slots
   * @param startOffset no offset is below it
   */
  constructor(bytes: number, startOffset: bigint) {
    this.#slotCount = Math.floor(bytes / SLOT_BYTES);
    assert(this.#slotCount * LOAD_MAX >= 1, 'the map has no room for a single key');
    this.#slots = new Uint32Array(this.#slotCount * SLOT_WORDS);
    this.#startOffset = startOffset;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * @param offset higher than any that the key had before
   * @returns whether it was put: a key that is new is not once the map is full, nor is an offset
   *   that is too far from the start
   */
  put(key: Buffer, offset: bigint): boolean {
    const distance = Number(offset - this.#startOffset);
    assert(distance >= 0, 'the offset is below the start');
    if (distance >= DISTANCE_MAX) return false;
    const digest = hash('sha256', key, 'buffer');
    const at = this.#find(digest);
    const slots = this.#slots;
    if (slots[at + 4] === 0) {
      if (this.#size + 1 > this.#slotCount * LOAD_MAX) return false;
      this.#size++;
      for (let word = 0; word < 4; word++) slots[at + word] = digest.readUInt32LE(word * 4);
    }
    slots[at + 4] = distance + 1;
    return true;
  }

  /** @returns the key's highest offset, -1 for a key that is not there */
  get(key: Buffer): bigint {
    const distance = this.#slots[this.#find(hash('sha256', key, 'buffer')) + 4] ?? 0;
    return distance === 0 ? -1n : this.#startOffset + BigInt(distance - 1);
  }

  /** @returns where the key's slot begins, or the empty one where it would be put */
  #find(digest: Buffer): number {
    const slots = this.#slots;
    const a = digest.readUInt32LE(0);
    const b = digest.readUInt32LE(4);
    const c = digest.readUInt32LE(8);
    const d = digest.readUInt32LE(12);
    // A word of the hash that no slot keeps: independent of what is compared.
    let slot = digest.readUInt32LE(16) % this.#slotCount;
    for (;;) {
      const at = slot * SLOT_WORDS;
      if (slots[at + 4] === 0) return at;
      const isKey =
        slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d;
      if (isKey) return at;
      slot = slot + 1 === this.#slotCount ? 0 : slot + 1;
    }
  }
}
