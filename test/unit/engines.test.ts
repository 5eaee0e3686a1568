import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import { FilesEngine } from '../../server/files/engine.js'
import { pathsOf } from '../../server/files/paths.js'
import { Arena } from '../../server/intake/arena.js'
import { CONTRACT_IDS, engineContract } from '../helpers/engine-contract.js'
import type { EnginePlace } from '../helpers/engine-place.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { temporaryFolder } from '../helpers/server.js'

const ARENA = { blocks: 2, blockBytes: 4096 }
const arena = new Arena(ARENA)
const dataDir = temporaryFolder()
const clocks = { now: Date.now, monotonic: () => performance.now() }
const start = (): Promise<FilesEngine> => FilesEngine.start({ dataDir, arena, minFreeBytes: 0, ...clocks })
// Its threads take longer to start than a test does to run.
const shared = await start()

async function onFiles(): Promise<EnginePlace> {
  const restarted: FilesEngine[] = []
  return {
    arena,
    engine: shared,
    restart: async () => {
      const engine = await start()
      restarted.push(engine)
      return engine
    },
    cut: (id, bytes) => {
      const { file } = pathsOf(dataDir, id)
      if (bytes === undefined) rmSync(file)
      else truncateSync(file, bytes)
    },
    tear: (id) => writeFileSync(pathsOf(dataDir, id).sidecar, '{'),
    end: async () => {
      await Promise.all(restarted.map((engine) => engine.end()))
      await Promise.all(CONTRACT_IDS.map((id) => shared.forget(id)))
      await shared.remove(CONTRACT_IDS, { durable: false })
    },
  }
}

async function inMemory(): Promise<EnginePlace> {
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
    tear: (id) => Object.assign(storage.uploads.get(id) ?? {}, { facts: null }),
    end: async () => {},
  }
}

const files = suite<EnginePlace>('engine: files')
engineContract(files, onFiles)
files.after(() => shared.end())
files.run()

const memory = suite<EnginePlace>('engine: memory')
engineContract(memory, inMemory)
memory.run()
