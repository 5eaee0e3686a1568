import type { Held } from '../../model/shared-finals.js'

/** One request takes at most this part of what its owner may still take: large requests are refused before small ones. */
const PART_OF_ROOM = 8

/** Tells whether an owner may take so many places more at once, of a number that owners share; see FairLimit. */
export function hasRoom(limit: number, { all, own }: Held, places: number): boolean {
  const room = Math.floor((limit - all - own) / 2)
  return places === 0 || places * Math.min(places, PART_OF_ROOM) <= room
}

/**
 * A limited number of places that owners share. Nobody may hold more than is still free, so whoever comes
 * later finds room too: one owner gets half of all places at most, two get a third each.
 */
export class FairLimit {
  readonly #limit: number
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Tells whether an owner may take so many places more at once. */
  hasRoom(owner: string, places: number): boolean {
    return hasRoom(this.#limit, { all: this.#total, own: this.#of(owner) }, places)
  }

  /** Takes places, also beyond the limit: the caller asked `hasRoom` where the owner could be refused. */
  take(owner: string, places: number): void {
    this.#total += places
    this.#held.set(owner, this.#of(owner) + places)
  }

  /** Gives back places that were taken. */
  giveBack(owner: string, places: number): void {
    const left = this.#of(owner) - places
    this.#total -= places
    if (left > 0) this.#held.set(owner, left)
    else this.#held.delete(owner)
  }

  #of(owner: string): number {
    return this.#held.get(owner) ?? 0
  }
}
