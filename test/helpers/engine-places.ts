import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { FilesEngine } from '../../server/files/engine.js'
import { pathsOf } from '../../server/files/paths.js'
import { Arena } from '../../server/intake/arena.js'
import type { EnginePlace } from './engine-place.js'
import { MemoryEngine } from './memory-engine.js'
import { MemoryStorage } from './memory-storage.js'
import { temporaryFolder } from './server.js'

const ARENA = { blocks: 2, blockBytes: 4096 }
const arena = new Arena(ARENA)
const dataDir = temporaryFolder()
const tools = { now: Date.now, monotonic: () => performance.now(), log: console }
// Its threads take longer to start than a test does to run: by how many it has.
const shared = new Map<number, FilesEngine>()

/** The engine on files, in a folder that all tests of a file share. */
export async function onFiles(digestThreads = 1): Promise<EnginePlace> {
  const start = (): Promise<FilesEngine> =>
    FilesEngine.start({ dataDir, arena, minFreeBytes: 0, digestThreads, ...tools })
  const engine = shared.get(digestThreads) ?? (await start())
  shared.set(digestThreads, engine)
  const restarted: FilesEngine[] = []
  return {
    arena,
    engine,
    restart: async () => {
      const next = await start()
      restarted.push(next)
      return next
    },
    cut: (id, bytes) => {
      const { file } = pathsOf(dataDir, id)
      if (bytes === undefined) rmSync(file)
      else truncateSync(file, bytes)
    },
    tear: (id) => writeFileSync(pathsOf(dataDir, id).sidecar, '{'),
    end: async () => {
      await Promise.all(restarted.map((each) => each.end()))
      for await (const entries of engine.list()) {
        const ids = [...new Set(entries.map(({ id }) => id))]
        await Promise.all(ids.map((id) => engine.forget(id)))
        await engine.remove(ids, { durable: false })
      }
    },
  }
}

/** The engine in memory. */
export async function inMemory(): Promise<EnginePlace> {
  const storage = new MemoryStorage()
  const begin = (): MemoryEngine => new MemoryEngine((index, bytes) => arena.view(index, bytes), storage)
  return {
    arena,
    engine: begin(),
    restart: async () => begin(),
    cut: (id, bytes) => {
      const kept = storage.uploads.get(id)
      if (kept) kept.bytes = bytes === undefined ? null : (kept.bytes?.subarray(0, bytes) ?? null)
    },
    tear: (id) => void Object.assign(storage.uploads.get(id) ?? {}, { facts: null }),
    end: async () => {},
  }
}

/** Ends the engines on files, once their tests are over. The next file starts its own. */
export async function endFiles(): Promise<void> {
  const engines = [...shared.values()]
  shared.clear()
  await Promise.all(engines.map((engine) => engine.end()))
}
