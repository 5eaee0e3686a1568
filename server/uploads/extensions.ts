/** The extensions of tus 1.0.0 that the store supports. */
export const EXTENSIONS = [
  ...['creation', 'creation-with-upload', 'creation-defer-length', 'termination', 'expiration'],
  ...['checksum', 'checksum-trailer', 'concatenation', 'concatenation-unfinished'],
]
