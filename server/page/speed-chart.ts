import { drawn, element, setText } from './dom.js'
import { speed } from './format.js'

const MINUTES = 5
const EVERY_MS = 1_000
const SAMPLES = (MINUTES * 60_000) / EVERY_MS
const WIDTH = 600
const HEIGHT = 120
/** Less than this is noise, and would fill the chart. */
const LEAST_TOP = 1_024

/** Bytes a second over the last minutes, sampled each second. */
export class SpeedChart {
  readonly #samples: number[] = Array(SAMPLES).fill(0)
  readonly #line = drawn('path', { class: 'chart-line' })
  readonly #area = drawn('path', { class: 'chart-area' })
  readonly #drawing: SVGSVGElement
  readonly #top = element('span', { class: 'chart-top' })
  readonly #now: HTMLElement

  /** `now` shows the newest sample. */
  constructor(figure: HTMLElement, now: HTMLElement, sample: () => number) {
    this.#now = now
    const grid = drawn('path', { class: 'chart-grid', d: gridPath() })
    const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }
    this.#drawing = drawn('svg', box, grid, this.#area, this.#line)
    const times = element(
      'p',
      { class: 'chart-times', 'aria-hidden': 'true' },
      ...[`${MINUTES} min. ago`, 'now'].map((text) => element('span', {}, text)),
    )
    figure.append(this.#top, this.#drawing, times)
    this.#draw()
    setInterval(() => this.#add(sample()), EVERY_MS)
  }

  #add(bytesPerSecond: number): void {
    this.#samples.shift()
    this.#samples.push(bytesPerSecond)
    if (!document.hidden) this.#draw()
  }

  #draw(): void {
    const most = Math.max(...this.#samples)
    const top = Math.max(most, LEAST_TOP)
    const points = this.#samples.map((value, index) => {
      const x = (index / (SAMPLES - 1)) * WIDTH
      return `${x.toFixed(1)},${(HEIGHT - (value / top) * (HEIGHT - 6) - 1).toFixed(1)}`
    })
    this.#line.setAttribute('d', `M${points.join('L')}`)
    this.#area.setAttribute('d', `M0,${HEIGHT}L${points.join('L')}L${WIDTH},${HEIGHT}Z`)
    const now = speed(this.#samples.at(-1) ?? 0)
    setText(this.#now, now)
    setText(this.#top, most === 0 ? '' : `most: ${speed(most)}`)
    const summary = `Now ${now}, at most ${speed(most)} in the last ${MINUTES} minutes`
    if (this.#drawing.getAttribute('aria-label') !== summary)
      this.#drawing.setAttribute('aria-label', summary)
  }
}

function gridPath(): string {
  const lines = [1, 2, 3].map((quarter) => `M0,${(quarter * HEIGHT) / 4}H${WIDTH}`)
  const minutes = Array.from(
    { length: MINUTES - 1 },
    (_, index) => `M${((index + 1) * WIDTH) / MINUTES},0V${HEIGHT}`,
  )
  return [...lines, ...minutes].join('')
}
