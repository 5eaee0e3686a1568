import { systemCodeOf } from '../../server/errors.js'
import type { Arena } from '../../server/intake/arena.js'
import type { Block } from '../../server/model/body.js'
import type { Appended, AppendedBlocks, Engine } from '../../server/model/engine.js'
import type { UploadFacts } from '../../server/model/upload-facts.js'
import { uploadOf } from './stored-upload.js'

/** An engine to be tested, over a storage that outlives it. */
export interface EnginePlace {
  readonly engine: Engine
  /** The arena whose blocks the engine is given. */
  readonly arena: Arena
  /** Another engine over the same storage, as after a restart of the process. */
  restart(): Promise<Engine>
  /** Leaves so many of an upload's stored bytes, behind the engine's back; undefined: none, and no file. */
  cut(id: string, bytes: number | undefined): void | Promise<void>
  /** Tears an upload's facts. */
  tear(id: string): void | Promise<void>
  end(): Promise<void>
}

/** Puts a text into a block that is the test's until `append` has resolved. */
function blocksOf({ arena }: EnginePlace, text: string): Block[] {
  if (text === '') return []
  const index = arena.take() ?? 0
  arena.fill(index, 0, Buffer.from(text))
  return [{ index, bytes: text.length }]
}

/** Appends a text as a body of its own, from `position` on. */
export async function append(
  place: EnginePlace,
  id: string,
  position: number,
  text: string,
  change: Partial<AppendedBlocks> = {},
): Promise<Appended> {
  const blocks = blocksOf(place, text)
  const { engine } = place
  try {
    return await engine.append(id, {
      ...{ blocks, position, digest: 'prefix', isChecked: false, algorithms: [] },
      ...{ begins: true, ends: true, closes: true },
      ...change,
    })
  } finally {
    for (const { index } of blocks) place.arena.give(index)
  }
}

/** Creates an upload of six bytes. */
export async function create(engine: Engine, id: string, change: Partial<UploadFacts> = {}): Promise<void> {
  await engine.create(id, () => ({ ...uploadOf(id, { length: 6 }).toFacts(), ...change }), { durable: true })
}

/** The code of what an act fails with; empty for an error without one, 'none' where it does not fail. */
export const faultOf = async (act: Promise<unknown>): Promise<string> =>
  await act.then(
    () => 'none',
    (error: unknown) => systemCodeOf(error),
  )

/** Stored bytes from one place to another, as text. */
export async function textOf(engine: Engine, id: string, from: number, to: number): Promise<string> {
  const range = await engine.read(id, { from, to })
  const pieces: string[] = []
  try {
    for (let piece = await range.next(64 * 1024); piece; piece = await range.next(64 * 1024))
      pieces.push(Buffer.from(piece).toString())
  } finally {
    await range.close()
  }
  return pieces.join('')
}

/** Where a stored upload may go on; what else is stored, where it is none. */
export async function offsetOf(engine: Engine, id: string): Promise<number | string> {
  const found = await engine.load(id)
  return found.kind === 'upload' ? found.facts.offset : found.kind
}
