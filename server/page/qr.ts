import { encode } from 'uqr'
import { drawn, element } from './dom.js'

/** A QR code of a text, black on white in every scheme, because not all cameras read the inverse. */
export function qrCode(text: string, description: string): HTMLElement {
  try {
    const { size, data } = encode(text, { border: 4, ecc: 'L' })
    const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x},${y}h1v1h-1z`] : [])))
    const box = { viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': description, class: 'qr' }
    return element(
      'div',
      { class: 'qr-frame' },
      drawn(
        'svg',
        { ...box, 'shape-rendering': 'crispEdges' },
        drawn('rect', { width: size, height: size, fill: '#fff' }),
        drawn('path', { d: dark.join(''), fill: '#000' }),
      ),
    )
  } catch {
    return element('p', {}, 'The link is too long for a QR code.')
  }
}
