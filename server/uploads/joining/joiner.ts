import { UploadError } from '../../errors.js'
import type { Engine } from '../../model/engine.js'
import { isWhole } from '../../model/next-step.js'
import type { SharedFinals } from '../../model/shared-finals.js'
import type { DueOutcome, Lifecycle } from '../lifecycle.js'
import type { StorageTools } from '../tools.js'
import type { StoredUpload } from '../upload.js'
import type { Uploads } from '../uploads.js'
import { FinalChecks } from './final-checks.js'
import { finalDueAtMs } from './final-due.js'
import { FinalMemory } from './final-memory.js'
import { FinalPlan, type RequestedFinal } from './final-plan.js'
import { JoinPass, type PassParts } from './join-pass.js'
import { JoinQueue } from './join-queue.js'
import { JoinRun } from './join-run.js'
import { OpenFinals } from './open-finals.js'
import { givenUp, PartRelease, type ReleaseParts } from './part-release.js'
import { type Missing, PartSurvey, type Survey } from './part-survey.js'
import { checkRoom } from './shared-room.js'

interface JoinerParts extends PassParts {
  readonly tools: PassParts['tools'] &
    ReleaseParts['tools'] &
    Pick<StorageTools, 'row' | 'mayAccess' | 'expireAfterMs' | 'alone'> & {
      readonly engine: Pick<Engine, 'load' | 'addressOf' | 'finals'>
    }
  readonly uploads: Pick<Uploads, 'load' | 'drop' | 'leaving' | 'peek' | 'isEnding'>
  readonly saver: ReleaseParts['saver']
  readonly lifecycle: PassParts['lifecycle'] & Pick<Lifecycle, 'remove' | 'expire' | 'refuse'>
}

/**
 * Joins final uploads from their parts (tus 1.0.0, concatenation): each byte is read from its part, written
 * to the final upload and digested in one pass, in steps between which other uploads are served. The parts
 * stay until the final upload is finished, so a crash loses nothing: the joining starts over.
 */
export class Joiner {
  readonly #parts: JoinerParts
  readonly #tools: JoinerParts['tools']
  /** Where other nodes join, too, the storage knows the final uploads, and nothing of them is remembered here. */
  readonly #shared: SharedFinals | null
  readonly #finals = new OpenFinals()
  readonly #memory: FinalMemory
  readonly #survey: PartSurvey
  readonly #plan: FinalPlan
  readonly #release: PartRelease
  readonly #queue: JoinQueue
  readonly #checks: FinalChecks
  /** Final uploads whose joining failed: the sweep tries again. */
  readonly #failedOnce = new Set<string>()

  constructor(parts: JoinerParts) {
    const { tools, uploads } = parts
    this.#parts = parts
    this.#tools = tools
    this.#shared = tools.engine.finals
    this.#survey = new PartSurvey(tools.engine, uploads)
    const known = { tools, finals: this.#finals, survey: this.#survey, shared: this.#shared }
    this.#memory = new FinalMemory(known)
    this.#plan = new FinalPlan(known)
    this.#release = new PartRelease({ ...parts, ...known }, this.#finals)
    const run = new JoinRun({
      ...{ ...parts, ...known, release: this.#release, pass: new JoinPass(parts) },
      joined: (final) => {
        this.#finals.delete(final)
        this.#memory.remember(final)
      },
      forget: (final) => this.forget(final),
      waits: (id) => this.#checks.add(id),
      failed: (id) => this.#failedOnce.add(id),
      halted: () => this.#queue.clear(),
    })
    this.#queue = new JoinQueue((id) => run.join(id))
    this.#checks = new FinalChecks(tools, (id) => this.#checkAgain(id))
  }

  /** Tells whether a final upload needs a part. Where the storage must be asked, it rejects as that does. */
  needs(part: string): boolean | Promise<boolean> {
    return this.#shared?.needed([part]).then((needed) => needed.has(part)) ?? this.#finals.mayBeNamed(part)
  }

  /**
   * Those of these parts that no final upload needs: the caller, who holds their locks, removes them. Where the storage must
   * be asked, they are gone for the other nodes from here on, and it rejects as that does.
   */
  removable(parts: readonly string[]): ReadonlySet<string> | Promise<ReadonlySet<string>> {
    if (this.#shared) return givenUp(parts, this.#shared, this.#tools.hooks)
    return new Set(parts.filter((part) => !this.#finals.mayBeNamed(part)))
  }

  /** Tells whether a part is gone because it was joined, into a final upload that is there for the principal. */
  hasJoined(part: string, principal: RequestedFinal['principal']): Promise<boolean> {
    return this.#memory.hasJoined(part, principal)
  }

  /** Takes a whole part away from its client; its bytes go once no final upload needs them. Rejects with the disk's error. */
  terminate(part: StoredUpload): Promise<void> {
    return this.#release.terminate(part)
  }

  /** The sweep has visited every upload since the start: from now on we know who needs which part. */
  async firstSweepEnded(): Promise<void> {
    this.#finals.firstSweepEnded()
    await this.#release.begin()
  }

  /**
   * The first sweep has found a finished final upload: its client may ask for it again, and a crash may
   * have come before its parts were released.
   */
  async foundFinished(final: StoredUpload): Promise<void> {
    if (this.#finals.allKnown && !this.#shared) return
    this.#memory.remember(final)
    if (await this.#release.isDue(final)) await this.#release.joined(final)
  }

  /**
   * Makes a final upload, once for the same parts and metadata: resolves with the one that was made before, or
   * else with what `make` made, which is given its length; null where a part's own is not known yet.
   * Rejects with part_unknown, starting, size_exceeded, disk_full, finals_full, and as `make` does.
   */
  async create(
    wanted: RequestedFinal,
    make: (length: number | null) => Promise<StoredUpload>,
  ): Promise<StoredUpload> {
    let made: StoredUpload | undefined
    // A client that lost its answer may ask again while its first request is still being served.
    await this.#tools.underLock(this.#memory.lockOf(wanted), async () => {
      made = (await this.#memory.madeBefore(wanted)) ?? (await this.#createNew(wanted, make))
    })
    if (!made) throw new UploadError('internal', { detail: 'no final upload was made' })
    return made
  }

  /**
   * Looks what can be done for a final upload that is not joined: once its parts are whole it is joined in the
   * background (`joining` is set then); where a part is gone, it is removed. The caller holds its lock.
   * Rejects with upload_unknown where it was removed, and with upload_expired.
   */
  async advance(final: StoredUpload): Promise<void> {
    await this.#advance(final, 0)
  }

  /** What is due with a final upload, where no look at its parts is needed: they tell of themselves. */
  known(id: string): DueOutcome | undefined {
    if (this.#queue.has(id)) return 'joining'
    // The node where the part became whole may have ended since.
    if (this.#shared) return undefined
    const wait = this.#failedOnce.has(id) ? null : this.#finals.waitOf(id)
    return wait && this.#tools.now() < wait.dueAtMs ? 'waiting' : undefined
  }

  /** Does what is due with a final upload that is not joined yet, for the start and the sweep. */
  async handleDue(final: StoredUpload): Promise<DueOutcome> {
    try {
      await this.advance(final)
      return this.#queue.has(final.id) ? 'joining' : 'waiting'
    } catch (error) {
      const code = error instanceof UploadError ? error.code : undefined
      if (code === 'upload_unknown') return 'lost'
      if (code !== 'upload_expired') throw error
      await this.#parts.lifecycle.expire(final)
      await this.forget(final)
      return 'expired'
    }
  }

  /** A partial upload became whole or is gone: final uploads that wait for it are looked at, in the background. */
  partChanged(id: string): void {
    for (const finalId of this.#finals.waitingFor(id)) this.#checks.add(finalId)
    this.#checkElsewhere(id)
  }

  /** The node that hears of it looks at the final uploads of all nodes. */
  #checkElsewhere(part: string): void {
    const check = (ids: readonly string[]): void => {
      for (const id of ids) this.#checks.add(id)
    }
    this.#shared?.naming(part).then(check, (error: unknown) => {
      this.#tools.log.warn({ err: error, id: part }, 'the final uploads of a part that changed are not known')
    })
  }

  /** A final upload is gone before it was joined. */
  async forget(final: Pick<StoredUpload, 'id' | 'parts'>): Promise<void> {
    this.#finals.delete(final)
    this.#failedOnce.delete(final.id)
    await this.#release.abandon(final.parts ?? [])
  }

  /** `from`: the parts before that place are known to be whole. */
  async #advance(final: StoredUpload, from: number): Promise<void> {
    if (final.sha256 !== null || final.joining || final.gone || this.#queue.has(final.id)) return
    if (!this.#shared) this.#finals.add(final)
    await this.#follow(final, await this.#survey.of(final.parts ?? [], from), from)
  }

  async #follow(final: StoredUpload, survey: Survey | Missing, from = 0): Promise<void> {
    if ('missing' in survey) {
      await this.#parts.lifecycle.remove(final, 'terminated', 'a part is gone')
      await this.forget(final)
      throw new UploadError('upload_unknown', { detail: 'a part is gone' })
    }
    if (from === 0 && final.length === null) final.setLength(survey.length)
    this.#release.noteTerminated(survey.terminated)
    if (survey.unfinished === undefined) this.#enqueue(final)
    else await this.#wait(final, survey, survey.unfinished)
  }

  async #wait(final: StoredUpload, survey: Survey, place: number): Promise<void> {
    const { id, parts } = final
    const part = parts?.[place] ?? ''
    const before = this.#finals.waitOf(id)
    // Bytes for a part are bytes for the whole.
    final.touch(Math.max(survey.touchedAtMs, before?.touchedAtMs ?? 0))
    const { touchedAtMs } = final
    const dueAtMs = finalDueAtMs({ touchedAtMs, hasBytes: survey.hasBytes || place > 0 }, this.#tools)
    this.#finals.waitFor(id, { part, place, touchedAtMs, dueAtMs })
    // Its list of parts may have 64 KiB; the disk has it.
    this.#parts.uploads.drop(id)
    if (this.#tools.now() >= dueAtMs) throw new UploadError('upload_expired')
    // The part may have changed before it was noted who waits for it.
    const now = await this.#survey.read(part)
    if (!now || isWhole(now)) this.#checks.add(id)
  }

  #checkAgain(id: string): Promise<void> {
    return this.#tools.underLock(id, async () => {
      const final = await this.#parts.uploads.load(id)
      if (!final) return this.forget({ id, parts: null })
      await this.#advance(final, this.#finals.waitOf(id)?.place ?? 0).catch((error: unknown) => {
        if (!(error instanceof UploadError) || error.status >= 500) throw error
      })
    })
  }

  #enqueue(final: StoredUpload): void {
    this.#finals.waitFor(final.id, null)
    this.#failedOnce.delete(final.id)
    final.setJoining(this.#queue.add(final.id))
    if (this.#queue.isWaiting(final.id) && final.joining === null) this.#parts.uploads.drop(final.id)
  }

  async #createNew(
    wanted: RequestedFinal,
    make: (length: number | null) => Promise<StoredUpload>,
  ): Promise<StoredUpload> {
    if (this.#shared) await checkRoom(this.#shared, wanted)
    else this.#finals.enter(wanted, wanted.client)
    let final: StoredUpload | undefined
    try {
      const plan = await this.#plan.of(wanted)
      if (!('missing' in plan)) {
        final = await make(plan.length)
        await this.#follow(final, plan)
        return final
      }
      this.#finals.delete(wanted)
      return await this.#memory.joinedWith(wanted, plan.missing)
    } catch (error) {
      this.#finals.delete(wanted)
      if (final && !final.gone) await this.#parts.lifecycle.remove(final, 'terminated', 'its creation failed')
      throw error
    }
  }
}
