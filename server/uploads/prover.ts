import { UploadError } from '../errors.js'
import type { Engine } from '../model/engine.js'
import type { Log } from '../model/log.js'
import type { StoredUpload } from './upload.js'

const STEP_BYTES = 8 * 1024 * 1024

interface ProverTools {
  readonly engine: Pick<Engine, 'prove'>
  readonly log: Log
}

/**
 * Reads the prefix of an upload again after a restart, in steps between which other uploads are served,
 * while its new bytes already arrive, until the rolling digest has caught up with the offset. A native
 * hash state cannot be stored; this is its price, and it proves the prefix against every checkpoint.
 */
export class Prover {
  readonly #tools: ProverTools

  constructor(tools: ProverTools) {
    this.#tools = tools
  }

  /**
   * Resolves when the rolling digest stands at the upload's offset, or when damage was found
   * (`damagedAfter` is set and a running body is stopped). Rejects with the disk's error.
   */
  prove(upload: StoredUpload): Promise<void> {
    upload.proof.running ??= this.#run(upload).finally(() => {
      upload.proof.running = null
    })
    return upload.proof.running
  }

  /** Proves in the background. A failure is logged; finishing the upload tries again and reports it. */
  start(upload: StoredUpload): void {
    if (upload.proof.running || upload.proof.hasFailed) return
    this.prove(upload).catch((error: unknown) => {
      // Another node may have it now, or nobody: what it has is read on with the next body here.
      if (error instanceof UploadError && error.code === 'upload_taken_over') return
      // Not tried with every batch again: finishing tries once more, and tells its client.
      upload.proof.hasFailed = true
      this.#tools.log.warn({ err: error, id: upload.id }, 'the prefix of an upload could not be read again')
    })
  }

  async #run(upload: StoredUpload): Promise<void> {
    while (!upload.digestLive && upload.damagedAfter === null && !upload.gone && !upload.halted) {
      const { offset, damagedAfter } = await this.#tools.engine.prove(upload.id, {
        to: upload.offset,
        checkpoints: upload.checkpoints,
        budgetBytes: STEP_BYTES,
      })
      if (damagedAfter !== null) return this.#damaged(upload, damagedAfter)
      // An append may have passed by meanwhile; then there is more to read.
      if (offset === upload.offset) upload.setDigestLive(true)
    }
  }

  #damaged(upload: StoredUpload, goodBytes: number): void {
    upload.setDamaged(goodBytes)
    this.#tools.log.error(
      { id: upload.id, offset: upload.offset, goodBytes },
      'the stored prefix of an upload does not match its digest; it falls back to the last checkpoint that does',
    )
    upload.body?.stop('damaged')
  }
}
