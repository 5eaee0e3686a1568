/**
 * The types that a browser may show itself: pictures, sound, video and plain text, none of which runs script. SVG, HTML,
 * XML and PDF can have script, and are never shown.
 */
const INLINE: ReadonlySet<string> = new Set([
  ...[
    'png',
    'apng',
    'vnd.mozilla.apng',
    'jpeg',
    'gif',
    'webp',
    'avif',
    'heic',
    'heif',
    'jxl',
    'bmp',
    'tiff',
  ].map((name) => `image/${name}`),
  ...['x-icon', 'vnd.microsoft.icon'].map((name) => `image/${name}`),
  ...['mpeg', 'mp4', 'aac', 'ogg', 'opus', 'flac', 'wav', 'x-wav', 'vnd.wave', 'webm', 'x-m4a'].map(
    (name) => `audio/${name}`,
  ),
  ...['mp4', 'webm', 'ogg', 'quicktime', 'x-m4v', 'mpeg', 'x-matroska', 'matroska'].map(
    (name) => `video/${name}`,
  ),
  'text/plain',
])

/**
 * Tells whether a browser may show a file of this type; parameters such as a charset do not count. Of several types
 * with commas between them a browser takes the last.
 */
export function isShownInline(type: string): boolean {
  const [name = ''] = type.split(';', 1)
  return INLINE.has(name.trim().toLowerCase()) && !type.replaceAll(/"[^"]*"/g, '').includes(',')
}
