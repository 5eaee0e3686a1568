import { suite } from 'uvu'
import { engineContract } from '../helpers/engine-contract.js'
import type { EnginePlace } from '../helpers/engine-place.js'
import { endFiles, inMemory, onFiles } from '../helpers/engine-places.js'

const files = suite<EnginePlace>('engine: files')
engineContract(files, onFiles)
files.after(endFiles)
files.run()

const memory = suite<EnginePlace>('engine: memory')
engineContract(memory, inMemory)
memory.run()
