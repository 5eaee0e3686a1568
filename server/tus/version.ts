/** The version of tus that this server speaks. */
export const TUS_VERSION = '1.0.0'

/** A header of every answer (tus 1.0.0, core). */
export const TUS_HEADERS = { 'Tus-Resumable': TUS_VERSION }
