import type { Held, SharedFinals } from '../../server/model/shared-finals.js'

/** The final uploads of other nodes, as a test sets them. */
export class FakeFinals implements SharedFinals {
  /** The parts of each open one. */
  readonly open = new Map<string, readonly string[]>()
  /** Parts that were given up. */
  readonly givenUp: string[] = []
  readonly byKey = new Map<string, string>()
  counts: { finals: Held; names: Held } = { finals: { all: 0, own: 0 }, names: { all: 0, own: 0 } }

  async needed(parts: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(parts.filter((part) => this.#namedBy(part).length > 0))
  }

  async giveUp(parts: readonly string[]): Promise<ReadonlySet<string>> {
    const free = parts.filter((part) => this.#namedBy(part).length === 0)
    this.givenUp.push(...free)
    return new Set(free)
  }

  async naming(part: string): Promise<readonly string[]> {
    return this.#namedBy(part)
  }

  async madeBy(key: string): Promise<string | undefined> {
    return this.byKey.get(key)
  }

  async held(): Promise<{ finals: Held; names: Held }> {
    return this.counts
  }

  #namedBy(part: string): string[] {
    return [...this.open].flatMap(([final, parts]) => (parts.includes(part) ? final : []))
  }
}
