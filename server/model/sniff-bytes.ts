/** The type of an upload is decided by so many of its first bytes, or by all of a shorter upload. */
export const SNIFF_BYTES = 512
