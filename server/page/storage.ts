/** What the browser keeps for this page; null where its user lets it keep nothing. The page works all the same. */
export function storageOf(kind: 'localStorage' | 'sessionStorage'): Storage | null {
  try {
    return globalThis[kind]
  } catch {
    return null
  }
}

/** Keeps a text where there is room for it. */
export function keep(storage: Storage | null, name: string, text: string): void {
  try {
    storage?.setItem(name, text)
  } catch {
    // It is full. What is shown stays until the tab is closed.
  }
}
