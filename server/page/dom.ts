type Value = string | number | boolean | ((event: Event) => void)
export type Attributes = Readonly<Record<string, Value>>
export type Child = Node | string

const SVG = 'http://www.w3.org/2000/svg'

/**
 * Makes an element. A function becomes a listener (`click`, not `onclick`), `true` an attribute without a value, and
 * `false` none. Texts stay texts: nothing here reads markup.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  setAttributes(made, attributes)
  made.append(...children)
  return made
}

/** Makes an element of a drawing. */
export function drawn<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag)
  setAttributes(made, attributes)
  made.append(...children)
  return made
}

/** Sets attributes and listeners. */
export function setAttributes(target: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') target.addEventListener(name, value)
    else if (value === false) target.removeAttribute(name)
    else target.setAttribute(name, value === true ? '' : String(value))
  }
}

/** The element of the document with an id. Throws where there is none of this kind. */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the document has no ${kind.name} #${id}`)
  return found
}

/** Sets a text only where it changes, so that screen readers and selections are left alone. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/** Says something to screen readers, beside what is seen. */
export function announce(text: string): void {
  setText(byId('announcer', HTMLElement), text)
}
