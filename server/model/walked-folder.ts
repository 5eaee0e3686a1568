/** Names that are read from a folder at once, so that no list of a large one is held. */
export const NAMES_AT_ONCE = 1024
/** Where a disk has its root there is a folder that only root may read. */
export const OF_THE_DISK = 'lost+found'
