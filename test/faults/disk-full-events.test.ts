import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Spool } from '../../hooks/delivery/spool.js'
import { newLine } from '../../hooks/delivery/spool-lines.js'
import { call, idOf } from '../helpers/deliveries-place.js'
import { fillUp, onSmallDisks } from '../helpers/full-disk.js'
import { enterOwnMounts } from '../helpers/own-mounts.js'

const noMounts = enterOwnMounts(import.meta.url)

const test = suite('events on a full disk')
const onSmallDisk = onSmallDisks(test, noMounts)

onSmallDisk(
  'an event is on the disk also where the disk is full: a crash does not lose it',
  async (dataDir) => {
    const spool = await Spool.open(join(dataDir, 'http'), null)
    await fillUp(dataDir)
    const numbers = [1, 2, 3]
    await Promise.all(
      numbers.map((number) => {
        const of = call('post-terminate', number)
        const line = newLine({ id: `msg_${number}`, createdAt: '', call: of })
        return spool.keep(idOf(number), { line, written: () => {} })
      }),
    )
    for (const number of numbers) {
      const pending = await spool.look(idOf(number))
      assert.equal(
        pending.map(({ id }) => id),
        [`msg_${number}`],
      )
    }
    assert.equal(spool.heldIds, [])
    assert.not(existsSync(join(dataDir, 'http', 'reserve')))
    spool.close()
  },
)

test.run()
