import { suite } from 'uvu'
import { engineContract } from '../helpers/engine-contract.js'
import type { EnginePlace } from '../helpers/engine-place.js'
import { endFiles, inMemory, onFiles } from '../helpers/engine-places.js'

const files = suite<EnginePlace>('engine: files')
engineContract(files, () => onFiles(1))
files.run()

const threads = suite<EnginePlace>('engine: files, three threads')
engineContract(threads, () => onFiles(3))
threads.after(endFiles)
threads.run()

const memory = suite<EnginePlace>('engine: memory')
engineContract(memory, inMemory)
memory.run()
